//! Variables and comments in the words of a shell.

use std::iter;

use clap::ValueEnum;

/// What PowerShell ends a quoted text with.
const POWERSHELLS: [char; 5] = ['\'', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}'];

/// Whose words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash, zsh and the like, too.
    #[value(aliases = ["bash", "zsh"])]
    Sh,
    Fish,
    Powershell,
}

impl Shell {
    pub(super) fn set(self, name: &str, value: &str) -> String {
        let value = self.quoted(value);
        match self {
            Shell::Sh => format!("export {name}={value}"),
            Shell::Fish => format!("set -gx {name} {value}"),
            Shell::Powershell => format!("$env:{name} = {value}"),
        }
    }

    /// A text that the shell takes as it is.
    fn quoted(self, text: &str) -> String {
        let inner = match self {
            Shell::Sh => text.replace('\'', r"'\''"),
            Shell::Fish => text.replace('\\', r"\\").replace('\'', r"\'"),
            // PowerShell takes these for quotes, too, and each of them twice for itself.
            Shell::Powershell => {
                text.chars().flat_map(|c| iter::repeat_n(c, if POWERSHELLS.contains(&c) { 2 } else { 1 })).collect()
            }
        };
        format!("'{inner}'")
    }

    /// How to have the output of this command carried out.
    pub(super) fn usage(self) -> &'static str {
        match self {
            Shell::Sh => "eval \"$(floci-az env)\"",
            Shell::Fish => "floci-az env --shell fish | source",
            Shell::Powershell => "floci-az env --shell powershell | Out-String | Invoke-Expression",
        }
    }
}
