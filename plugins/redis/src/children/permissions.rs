//! What a policy allows, in the words of the server's ACL rules: `+get +@read -@dangerous ~cache:* allkeys (+set ~tmp:*)`.
//!
//! Checked word by word, because a rule that the server does not take would keep it from starting. Words that say who
//! somebody is, and not what they may do (passwords, `on`, `off`, `reset`), are refused.

use crate::access::WITHOUT_ADMINISTRATION;

use super::commands::{CATEGORIES, COMMANDS, SUBCOMMANDS};

/// Valid for every server that a cache may run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions(String);

/// Characters. A bound for the ACL file.
const LONGEST: usize = 4_096;

/// Where the words of a list are, on their own or inside of `( )`, and what was allowed there.
#[derive(Default)]
struct Scope {
    keys: Reach,
    channels: Reach,
}

/// Once everything is allowed the server refuses to be told of parts.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Reach {
    #[default]
    Parts,
    All,
}

impl Permissions {
    /// Fails with what is wrong.
    pub fn parse(text: &str) -> Result<Permissions, String> {
        if text.len() > LONGEST {
            return Err(format!("It has {} characters; {LONGEST} are possible.", text.len()));
        }
        if let Some(control) = text.chars().find(|c| c.is_control() && !c.is_ascii_whitespace()) {
            return Err(format!("It has the character U+{:04X}, which no rule has.", u32::from(control)));
        }
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        if words.is_empty() {
            return Err("It has to name what is allowed, such as '+get ~cache:*'.".to_owned());
        }
        check(&words)?;
        Ok(Permissions(words.join(" ")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the server takes them, after a `reset`; without its administration, also inside of brackets.
    pub fn rules(&self) -> Vec<String> {
        let words = self.0.split(' ');
        // Azure's servers are of a version whose rules know no channels: what does not name any allows all.
        let names_channels = |word: &str| word.starts_with('&') || matches!(word, "allchannels" | "resetchannels");
        let channels = if words.clone().any(names_channels) { None } else { Some("allchannels") };
        let mut rules: Vec<String> = channels.into_iter().map(str::to_owned).collect();
        for word in words {
            match word.strip_suffix(')') {
                Some(last) => {
                    rules.push(last.to_owned());
                    rules.extend(WITHOUT_ADMINISTRATION.split_whitespace().map(str::to_owned));
                    if let Some(last) = rules.last_mut() {
                        last.push(')');
                    }
                }
                None => rules.push(word.to_owned()),
            }
        }
        rules.extend(WITHOUT_ADMINISTRATION.split_whitespace().map(str::to_owned));
        rules
    }
}

fn check(words: &[&str]) -> Result<(), String> {
    let mut outside = Scope::default();
    let mut inside: Option<Scope> = None;
    for word in words {
        let mut rest = *word;
        if let Some(opened) = rest.strip_prefix('(') {
            if inside.is_some() {
                return Err(format!("'{word}' opens a bracket inside of another."));
            }
            inside = Some(Scope::default());
            rest = opened;
        }
        let Some(scope) = &mut inside else {
            outside.take(rest)?;
            continue;
        };
        let (rest, closes) = rest.strip_suffix(')').map_or((rest, false), |rest| (rest, true));
        if !rest.is_empty() {
            scope.take(rest)?;
        }
        if closes {
            inside = None;
        }
    }
    match inside {
        None => Ok(()),
        Some(_) => Err("A bracket is opened and not closed.".to_owned()),
    }
}

impl Scope {
    fn take(&mut self, word: &str) -> Result<(), String> {
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "allkeys" | "~*" => self.keys = Reach::All,
            "allchannels" | "&*" => self.channels = Reach::All,
            "resetkeys" => self.keys = Reach::Parts,
            "resetchannels" => self.channels = Reach::Parts,
            "allcommands" | "nocommands" => {}
            pattern if pattern.starts_with(['~', '%']) => {
                key_pattern(pattern, word)?;
                part(self.keys, word, "keys")?;
            }
            pattern if pattern.starts_with('&') => part(self.channels, word, "channels")?,
            rule => {
                return rule.strip_prefix(['+', '-']).map_or_else(|| Err(unknown(word)), |name| command(name, word));
            }
        }
        Ok(())
    }
}

/// Of the keys or the channels.
fn part(before: Reach, word: &str, what: &str) -> Result<(), String> {
    match before {
        Reach::Parts => Ok(()),
        Reach::All => Err(format!("'{word}' adds nothing, because all {what} are allowed before it.")),
    }
}

/// `~pattern`, `%R~pattern`, `%W~pattern`, `%RW~pattern`
fn key_pattern(lower: &str, word: &str) -> Result<(), String> {
    let Some(flags) = lower.strip_prefix('%') else { return Ok(()) };
    match flags.split_once('~') {
        Some(("r" | "w" | "rw" | "wr", _)) => Ok(()),
        _ => Err(format!("'{word}' has to begin with %R~, %W~ or %RW~.")),
    }
}

/// `get`, `config|get`, `@read`; of `select|0` only the first argument is meant, which can be allowed and not forbidden.
fn command(name: &str, word: &str) -> Result<(), String> {
    if let Some(category) = name.strip_prefix('@') {
        return match CATEGORIES.contains(&category) {
            true => Ok(()),
            false => {
                Err(format!("'{word}' names a category that does not exist; there are {}.", CATEGORIES.join(", ")))
            }
        };
    }
    let (command, sub) = name.split_once('|').map_or((name, None), |(command, sub)| (command, Some(sub)));
    if !COMMANDS.contains(&command) {
        return Err(format!("'{word}' names a command that does not exist."));
    }
    let Some(sub) = sub else { return Ok(()) };
    match SUBCOMMANDS.iter().find(|(with, _)| *with == command) {
        Some((_, subs)) if subs.contains(&sub) => Ok(()),
        Some((_, subs)) => Err(format!("'{word}' names no subcommand of {command}; there are {}.", subs.join(", "))),
        None if word.starts_with('+') && !sub.is_empty() && !sub.contains('|') => Ok(()),
        None => Err(format!("'{word}' names a subcommand, and {command} has none.")),
    }
}

fn unknown(word: &str) -> String {
    let secret = word.starts_with(['>', '<', '#', '!']);
    let word = if secret { word.get(..1).unwrap_or_default() } else { word };
    format!(
        "'{word}' is not a permission: there are commands (+get, -@dangerous), keys (~cache:*, allkeys), channels \
         (&news:*, allchannels) and brackets of them."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::children::policy::BUILT_IN;
    use expect_test::expect;

    #[test]
    fn permissions_are_what_servers_take() {
        let texts = [
            "+get +hget",
            "  +@read\t-@dangerous ~cache:* %R~config:* ",
            "+@all allkeys &news:*",
            "+get ~a (+set ~b) (%W~c +del)",
            "(+get ~a)",
            "+CONFIG|GET +select|0 allcommands -@Fast",
            "allkeys resetkeys ~a",
            "",
            " ",
            "get",
            "+gett",
            "+@reading",
            "+config|gets",
            "-select|0",
            "+get|",
            "allkeys ~a",
            "&* &a",
            "%X~a",
            "on",
            "reset",
            ">secret",
            "nopass",
            "clearselectors",
            "(+get ~a",
            "(+get (~a))",
            "+get)",
            "+get\u{0}",
        ];
        let line = |text: &&str| match Permissions::parse(text) {
            Ok(permissions) => format!("{text:?} -> {}", permissions.rules().join(" ")),
            Err(why) => format!("{text:?}: {why}"),
        };
        expect![[r#"
            "+get +hget" -> allchannels +get +hget -acl -bgrewriteaof -bgsave -config -debug -failover -migrate -module -psync -replconf -replicaof -save -shutdown -slaveof -sync -cluster|addslots -cluster|addslotsrange -cluster|bumpepoch -cluster|delslots -cluster|delslotsrange -cluster|failover -cluster|flushslots -cluster|forget -cluster|meet -cluster|replicate -cluster|reset -cluster|saveconfig -cluster|set-config-epoch -cluster|setslot
            "  +@read\t-@dangerous ~cache:* %R~config:* " -> allchannels +@read -@dangerous ~cache:* %R~config:* -acl -bgrewriteaof -bgsave -config -debug -failover -migrate -module -psync -replconf -replicaof -save -shutdown -slaveof -sync -cluster|addslots -cluster|addslotsrange -cluster|bumpepoch -cluster|delslots -cluster|delslotsrange -cluster|failover -cluster|flushslots -cluster|forget -cluster|meet -cluster|replicate -cluster|reset -cluster|saveconfig -cluster|set-config-epoch -cluster|setslot
            "+@all allkeys &news:*" -> +@all allkeys &news:* -acl -bgrewriteaof -bgsave -config -debug -failover -migrate -module -psync -replconf -replicaof -save -shutdown -slaveof -sync -cluster|addslots -cluster|addslotsrange -cluster|bumpepoch -cluster|delslots -cluster|delslotsrange -cluster|failover -cluster|flushslots -cluster|forget -cluster|meet -cluster|replicate -cluster|reset -cluster|saveconfig -cluster|set-config-epoch -cluster|setslot
            "+get ~a (+set ~b) (%W~c +del)" -> allchannels +get ~a (+set ~b -acl -bgrewriteaof -bgsave -config -debug -failover -migrate -module -psync -replconf -replicaof -save -shutdown -slaveof -sync -cluster|addslots -cluster|addslotsrange -cluster|bumpepoch -cluster|delslots -cluster|delslotsrange -cluster|failover -cluster|flushslots -cluster|forget -cluster|meet -cluster|replicate -cluster|reset -cluster|saveconfig -cluster|set-config-epoch -cluster|setslot) (%W~c +del -acl -bgrewriteaof -bgsave -config -debug -failover -migrate -module -psync -replconf -replicaof -save -shutdown -slaveof -sync -cluster|addslots -cluster|addslotsrange -cluster|bumpepoch -cluster|delslots -cluster|delslotsrange -cluster|failover -cluster|flushslots -cluster|forget -cluster|meet -cluster|replicate -cluster|reset -cluster|saveconfig -cluster|set-config-epoch -cluster|setslot) -acl -bgrewriteaof -bgsave -config -debug -failover -migrate -module -psync -replconf -replicaof -save -shutdown -slaveof -sync -cluster|addslots -cluster|addslotsrange -cluster|bumpepoch -cluster|delslots -cluster|delslotsrange -cluster|failover -cluster|flushslots -cluster|forget -cluster|meet -cluster|replicate -cluster|reset -cluster|saveconfig -cluster|set-config-epoch -cluster|setslot
            "(+get ~a)" -> allchannels (+get ~a -acl -bgrewriteaof -bgsave -config -debug -failover -migrate -module -psync -replconf -replicaof -save -shutdown -slaveof -sync -cluster|addslots -cluster|addslotsrange -cluster|bumpepoch -cluster|delslots -cluster|delslotsrange -cluster|failover -cluster|flushslots -cluster|forget -cluster|meet -cluster|replicate -cluster|reset -cluster|saveconfig -cluster|set-config-epoch -cluster|setslot) -acl -bgrewriteaof -bgsave -config -debug -failover -migrate -module -psync -replconf -replicaof -save -shutdown -slaveof -sync -cluster|addslots -cluster|addslotsrange -cluster|bumpepoch -cluster|delslots -cluster|delslotsrange -cluster|failover -cluster|flushslots -cluster|forget -cluster|meet -cluster|replicate -cluster|reset -cluster|saveconfig -cluster|set-config-epoch -cluster|setslot
            "+CONFIG|GET +select|0 allcommands -@Fast" -> allchannels +CONFIG|GET +select|0 allcommands -@Fast -acl -bgrewriteaof -bgsave -config -debug -failover -migrate -module -psync -replconf -replicaof -save -shutdown -slaveof -sync -cluster|addslots -cluster|addslotsrange -cluster|bumpepoch -cluster|delslots -cluster|delslotsrange -cluster|failover -cluster|flushslots -cluster|forget -cluster|meet -cluster|replicate -cluster|reset -cluster|saveconfig -cluster|set-config-epoch -cluster|setslot
            "allkeys resetkeys ~a" -> allchannels allkeys resetkeys ~a -acl -bgrewriteaof -bgsave -config -debug -failover -migrate -module -psync -replconf -replicaof -save -shutdown -slaveof -sync -cluster|addslots -cluster|addslotsrange -cluster|bumpepoch -cluster|delslots -cluster|delslotsrange -cluster|failover -cluster|flushslots -cluster|forget -cluster|meet -cluster|replicate -cluster|reset -cluster|saveconfig -cluster|set-config-epoch -cluster|setslot
            "": It has to name what is allowed, such as '+get ~cache:*'.
            " ": It has to name what is allowed, such as '+get ~cache:*'.
            "get": 'get' is not a permission: there are commands (+get, -@dangerous), keys (~cache:*, allkeys), channels (&news:*, allchannels) and brackets of them.
            "+gett": '+gett' names a command that does not exist.
            "+@reading": '+@reading' names a category that does not exist; there are admin, all, bitmap, blocking, connection, dangerous, fast, geo, hash, hyperloglog, keyspace, list, pubsub, read, scripting, set, slow, sortedset, stream, string, transaction, write.
            "+config|gets": '+config|gets' names no subcommand of config; there are get, help, resetstat, rewrite, set.
            "-select|0": '-select|0' names a subcommand, and select has none.
            "+get|": '+get|' names a subcommand, and get has none.
            "allkeys ~a": '~a' adds nothing, because all keys are allowed before it.
            "&* &a": '&a' adds nothing, because all channels are allowed before it.
            "%X~a": '%X~a' has to begin with %R~, %W~ or %RW~.
            "on": 'on' is not a permission: there are commands (+get, -@dangerous), keys (~cache:*, allkeys), channels (&news:*, allchannels) and brackets of them.
            "reset": 'reset' is not a permission: there are commands (+get, -@dangerous), keys (~cache:*, allkeys), channels (&news:*, allchannels) and brackets of them.
            ">secret": '>' is not a permission: there are commands (+get, -@dangerous), keys (~cache:*, allkeys), channels (&news:*, allchannels) and brackets of them.
            "nopass": 'nopass' is not a permission: there are commands (+get, -@dangerous), keys (~cache:*, allkeys), channels (&news:*, allchannels) and brackets of them.
            "clearselectors": 'clearselectors' is not a permission: there are commands (+get, -@dangerous), keys (~cache:*, allkeys), channels (&news:*, allchannels) and brackets of them.
            "(+get ~a": A bracket is opened and not closed.
            "(+get (~a))": '(~a))' opens a bracket inside of another.
            "+get)": '+get)' names a command that does not exist.
            "+get\0": It has the character U+0000, which no rule has."#]].assert_eq(&texts.iter().map(line).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn what_is_built_in_is_valid() {
        for (name, text) in BUILT_IN {
            assert_eq!(Permissions::parse(text).map(|p| p.0), Ok(text.to_owned()), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_accepted_is_accepted_again(text in "([+~&%(]?[@a-zR|*()~ ]{0,8} ?){0,5}") {
            if let Ok(permissions) = Permissions::parse(&text) {
                proptest::prop_assert_eq!(Permissions::parse(permissions.as_str()), Ok(permissions));
            }
        }
    }
}
