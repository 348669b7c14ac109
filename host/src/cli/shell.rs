//! Variables and comments in the words of a shell.

use clap::ValueEnum;

/// Whose words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// sh, bash, zsh and the like.
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
            Shell::Powershell => text.replace('\'', "''"),
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
