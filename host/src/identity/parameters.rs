//! A form's parameters: each at most once (RFC 6749, section 3.2), an empty one as if it were not there.

use std::collections::HashMap;

use super::refusal::Refusal;

/// Characters of a parameter that ends up in a token, which travels in the headers of every request. Azure's own
/// identifiers have at most 1,000 or so.
const LONGEST: usize = 1024;

/// Without `Debug`, on purpose: secrets are among them.
pub(super) struct Parameters(HashMap<String, String>);

impl Parameters {
    pub(super) fn parse(body: &[u8]) -> Result<Parameters, Refusal> {
        let mut parameters = HashMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if parameters.contains_key(name.as_ref()) {
                return Err(Refusal::duplicate(&name.chars().take(LONGEST).collect::<String>()));
            }
            parameters.insert(name.into_owned(), value.into_owned());
        }
        Ok(Parameters(parameters))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// One that ends up in a token.
    pub(super) fn bounded(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.get(name) {
            Some(value) if value.chars().nth(LONGEST).is_some() => Err(Refusal::too_long(name, LONGEST)),
            value => Ok(value),
        }
    }

    /// One that ends up in a token, and has to be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.bounded(name)?.ok_or_else(|| Refusal::missing(name))
    }
}

/// The same bound for what does not come in a form.
pub(super) fn is_bounded(value: &str) -> bool {
    value.chars().nth(LONGEST).is_none()
}
