//! Lists in pages: `$top`, and `$skiptoken`, which only a `nextLink` carries.
//!
//! A page begins after a key, not at a number: what is created or deleted between two pages neither repeats nor hides
//! what is listed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::error::ArmError;
use super::request::{Reply, Request};

/// Items of a page, at most. ARM's own limit.
const LARGEST: usize = 1000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    most: usize,
    /// The key of the last item of the page before; none for the first page.
    after: Option<String>,
}

impl Page {
    pub fn of(request: &Request) -> Result<Page, ArmError> {
        let most = match request.query("$top") {
            None => LARGEST,
            Some(text) => match text.parse::<usize>() {
                Ok(most) if most > 0 => most.min(LARGEST),
                _ => return Err(ArmError::invalid_top(text, LARGEST)),
            },
        };
        let after = match request.query("$skiptoken") {
            None => None,
            Some(token) => {
                let key = BASE64.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                Some(key.ok_or_else(|| ArmError::invalid_skip_token(token))?)
            }
        };
        Ok(Page { most, after })
    }

    /// This page's part of `items`, which are in the order of their keys, and the token of the next page.
    pub fn cut<T>(&self, items: impl IntoIterator<Item = (String, T)>) -> (Vec<T>, Option<String>) {
        let mut items = items.into_iter().skip_while(|(key, _)| self.after.as_ref().is_some_and(|after| key <= after));
        let (keys, page): (Vec<String>, Vec<T>) = items.by_ref().take(self.most).unzip();
        let more = items.next().is_some();
        (page, keys.last().filter(|_| more).map(|last| BASE64.encode(last)))
    }
}

/// `{"value": [...], "nextLink": "..."}`
pub fn reply(request: &Request, values: Vec<Value>, next: Option<String>) -> Reply {
    let mut body = json!({ "value": values });
    if let (Some(token), Some(members)) = (next, body.as_object_mut()) {
        members.insert("nextLink".to_owned(), request.with_query("$skiptoken", &token).into());
    }
    Reply::json(StatusCode::OK, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hyper::{HeaderMap, Method};
    use proptest::prelude::*;

    fn page(query: &str) -> Result<Page, ArmError> {
        let request = Request::new(
            Method::GET,
            "/subscriptions/s/resources",
            Some(query),
            HeaderMap::new(),
            "http://localhost".to_owned(),
            Bytes::new(),
        );
        Page::of(&request)
    }

    #[test]
    fn only_numbers_from_one_are_tops() {
        for refused in ["$top=0", "$top=-1", "$top=x", "$top=", "$skiptoken=!"] {
            assert!(page(refused).is_err(), "{refused}");
        }
        assert_eq!(page("$top=5000").unwrap().most, LARGEST);
        assert_eq!(page("%24top=7&$TOP=3").unwrap().most, 3);
    }

    proptest! {
        #[test]
        fn pages_together_are_the_whole(keys in proptest::collection::btree_set("[a-z]{1,4}", 0..40), most in 1..9_usize) {
            let mut seen = Vec::new();
            let mut token = String::new();
            loop {
                let page = page(&format!("$top={most}&$skiptoken={token}")).unwrap();
                let (items, next) = page.cut(keys.iter().map(|key| (key.clone(), key.clone())));
                prop_assert!(items.len() <= most);
                seen.extend(items);
                match next {
                    Some(next) => token = next,
                    None => break,
                }
            }
            prop_assert_eq!(seen, keys.into_iter().collect::<Vec<_>>());
        }
    }
}
