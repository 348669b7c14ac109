//! The `$filter` of a list of resources or groups: a small part of OData, the one that ARM documents for them.
//!
//! `eq` and `ne` on the properties below, `substringof('part', name)`, `startswith(name, 'part')`, `and`, `or`, `not` and
//! parentheses. `tagName` and `tagValue` that are joined by one `and` speak of one tag: `tagName eq 'a' and tagValue eq 'b'`
//! wants a tag a=b; they cannot be negated.
//! Everything compares without regard to case but the value of a tag. Bounds: [`DEEPEST`] levels of nesting, [`MOST`] comparisons.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::error::ArmError;
use super::request::Request;

/// Levels of parentheses and `not`, so that a long text does not exhaust the stack.
const DEEPEST: usize = 32;
/// Comparisons, each of which costs time for every item of a list.
const MOST: usize = 64;

/// What is filtered.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// `Microsoft.Cache/Redis`
    pub full_type: Cow<'a, str>,
    pub group: &'a str,
    pub name: &'a str,
    pub location: &'a str,
    pub tags: &'a Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Property {
    ResourceType,
    ResourceGroup,
    Name,
    Location,
    TagName,
    TagValue,
}

impl Property {
    const ALL: [(&'static str, Property); 6] = [
        ("resourceType", Property::ResourceType),
        ("resourceGroup", Property::ResourceGroup),
        ("name", Property::Name),
        ("location", Property::Location),
        ("tagName", Property::TagName),
        ("tagValue", Property::TagValue),
    ];

    fn is_of_a_tag(self) -> bool {
        matches!(self, Property::TagName | Property::TagValue)
    }

    fn named(word: &str) -> Option<Property> {
        Property::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, property)| *property)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    Compare(Property, Comparison, String),
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
}

/// A parsed `$filter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Expression);

impl Filter {
    /// The filter of a request; none if there is none, or an empty one, as az sends it.
    pub fn of(request: &Request) -> Result<Option<Filter>, ArmError> {
        request.query("$filter").filter(|text| !text.trim().is_empty()).map(Filter::parse).transpose()
    }

    pub fn parse(text: &str) -> Result<Filter, ArmError> {
        let invalid = |why: String| ArmError::invalid_filter(text, &why);
        let tokens = tokens(text).map_err(invalid)?;
        let mut parser = Parser { tokens: &tokens, depth: 0, negated: 0, compared: 0 };
        let expression = parser.any_of().map_err(invalid)?;
        match parser.tokens {
            [] => Ok(Filter(expression)),
            [rest, ..] => Err(invalid(format!("{rest} was not expected there"))),
        }
    }

    pub fn matches(&self, item: &Item<'_>) -> bool {
        self.0.holds(item)
    }
}

impl Expression {
    fn holds(&self, item: &Item<'_>) -> bool {
        match self {
            Expression::Compare(property, comparison, wanted) => {
                let found = match property {
                    Property::ResourceType => &item.full_type,
                    Property::ResourceGroup => item.group,
                    Property::Name => item.name,
                    Property::Location => {
                        return compare(&super::location::normalised(item.location), *comparison, wanted);
                    }
                    Property::TagName | Property::TagValue => return has_tag(item, &[self]),
                };
                compare(&found.to_lowercase(), *comparison, wanted)
            }
            Expression::Not(inner) => !inner.holds(item),
            Expression::And(all) => {
                let (of_tags, others): (Vec<&Expression>, _) = all.iter().partition(|one| one.is_of_a_tag());
                others.iter().all(|one| one.holds(item)) && (of_tags.is_empty() || has_tag(item, &of_tags))
            }
            Expression::Or(any) => any.iter().any(|one| one.holds(item)),
        }
    }

    fn is_of_a_tag(&self) -> bool {
        matches!(self, Expression::Compare(Property::TagName | Property::TagValue, ..))
    }

    fn holds_for(&self, name: &str, value: &str) -> bool {
        match self {
            Expression::Compare(Property::TagValue, comparison, wanted) => compare(value, *comparison, wanted),
            Expression::Compare(_, comparison, wanted) => compare(&name.to_lowercase(), *comparison, wanted),
            _ => false,
        }
    }
}

/// Whether there is one tag for which all of these hold.
fn has_tag(item: &Item<'_>, all: &[&Expression]) -> bool {
    let mut tags = item.tags.iter().map(|(name, value)| (name, value.as_str().unwrap_or_default()));
    tags.any(|(name, value)| all.iter().all(|one| one.holds_for(name, value)))
}

fn compare(found: &str, comparison: Comparison, wanted: &str) -> bool {
    match comparison {
        Comparison::Equal => found == wanted,
        Comparison::NotEqual => found != wanted,
        Comparison::Contains => found.contains(wanted),
        Comparison::StartsWith => found.starts_with(wanted),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Token::Word(word) => write!(f, "'{word}'"),
            Token::Text(text) => write!(f, "the text '{text}'"),
            Token::Open => f.write_str("'('"),
            Token::Close => f.write_str("')'"),
            Token::Comma => f.write_str("','"),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, end) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '\'' => quoted(rest)?,
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "(),'".contains(c)).unwrap_or(rest.len());
                (Token::Word(rest.get(..end).unwrap_or_default().to_owned()), end)
            }
        };
        tokens.push(token);
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

/// A text in single quotes, and its length with them; two quotes in it stand for one.
fn quoted(from: &str) -> Result<(Token, usize), String> {
    let mut text = String::new();
    let mut characters = from.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' if characters.peek().is_some_and(|(_, next)| *next == '\'') => {
                text.push('\'');
                characters.next();
            }
            '\'' => return Ok((Token::Text(text), at + 1)),
            other => text.push(other),
        }
    }
    Err("a text has no closing quote".to_owned())
}

struct Parser<'a> {
    tokens: &'a [Token],
    depth: usize,
    /// How many `not`s what comes next is below.
    negated: usize,
    compared: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first.clone())
    }

    fn next_is_word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.tokens.first(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, wanted: &Token) -> Result<(), String> {
        match self.next() {
            Some(found) if found == *wanted => Ok(()),
            Some(found) => Err(format!("{wanted} was expected where {found} is")),
            None => Err(format!("{wanted} was expected at its end")),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Text(text)) => Ok(text),
            Some(other) => Err(format!("a text in single quotes was expected where {other} is")),
            None => Err("a text in single quotes was expected at its end".to_owned()),
        }
    }

    fn property(&mut self) -> Result<Property, String> {
        self.compared += 1;
        if self.compared > MOST {
            return Err(format!("it has more than {MOST} comparisons"));
        }
        let supported = || Property::ALL.map(|(name, _)| name).join(", ");
        match self.next() {
            Some(Token::Word(word)) => Property::named(&word).ok_or_else(|| {
                format!("'{word}' is not one of the properties that can be filtered by: {}", supported())
            }),
            Some(other) => Err(format!("a property ({}) was expected where {other} is", supported())),
            None => Err(format!("a property ({}) was expected at its end", supported())),
        }
    }

    fn any_of(&mut self) -> Result<Expression, String> {
        let mut any = vec![self.all_of()?];
        while self.next_is_word("or") {
            any.push(self.all_of()?);
        }
        Ok(one_or(any, Expression::Or))
    }

    fn all_of(&mut self) -> Result<Expression, String> {
        let mut all = vec![self.one()?];
        while self.next_is_word("and") {
            all.push(self.one()?);
        }
        Ok(one_or(all, Expression::And))
    }

    fn one(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("it is nested deeper than {DEEPEST} levels"));
        }
        let expression = self.unnested()?;
        self.depth -= 1;
        Ok(expression)
    }

    fn unnested(&mut self) -> Result<Expression, String> {
        if self.tokens.first() == Some(&Token::Open) {
            self.next();
            let inner = self.any_of()?;
            self.expect(&Token::Close)?;
            return Ok(inner);
        }
        if self.next_is_word("not") {
            self.negated += 1;
            let inner = self.one()?;
            self.negated -= 1;
            return Ok(Expression::Not(Box::new(inner)));
        }
        if self.next_is_word("substringof") {
            self.expect(&Token::Open)?;
            let part = self.text()?;
            self.expect(&Token::Comma)?;
            let property = self.property()?;
            self.expect(&Token::Close)?;
            return Ok(compared(property, Comparison::Contains, part));
        }
        if self.next_is_word("startswith") {
            self.expect(&Token::Open)?;
            let property = self.property()?;
            self.expect(&Token::Comma)?;
            let part = self.text()?;
            self.expect(&Token::Close)?;
            return Ok(compared(property, Comparison::StartsWith, part));
        }
        let property = self.property()?;
        let comparison = match self.next() {
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("eq") => Comparison::Equal,
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("ne") && property.is_of_a_tag() => {
                return Err("tagName and tagValue cannot be negated: 'ne'".to_owned());
            }
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("ne") => Comparison::NotEqual,
            Some(other) => return Err(format!("'eq' or 'ne' was expected where {other} is")),
            None => return Err("'eq' or 'ne' was expected at its end".to_owned()),
        };
        Ok(compared(property, comparison, self.text()?))
    }
}

/// With what is wanted in the form in which it is compared.
fn compared(property: Property, comparison: Comparison, wanted: String) -> Expression {
    let wanted = match property {
        Property::TagValue => wanted,
        Property::Location => super::location::normalised(&wanted),
        _ => wanted.to_lowercase(),
    };
    Expression::Compare(property, comparison, wanted)
}

fn one_or(mut expressions: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match expressions.len() {
        1 => expressions.remove(0),
        _ => many(expressions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use serde_json::json;

    fn matches(filter: &str) -> bool {
        let tags = json!({ "env": "Test", "team": "a'b" });
        let item = Item {
            full_type: "Microsoft.Cache/Redis".into(),
            group: "My-Group",
            name: "my-cache",
            location: "East US",
            tags: tags.as_object().unwrap(),
        };
        Filter::parse(filter).unwrap().matches(&item)
    }

    #[test]
    fn what_a_filter_says_is_what_is_kept() {
        for kept in [
            "resourceType eq 'microsoft.cache/redis'",
            "RESOURCETYPE EQ 'Microsoft.Cache/Redis'",
            "resourceGroup eq 'my-group'",
            "name eq 'MY-CACHE' and location eq 'eastus'",
            "location eq 'East US'",
            "name ne 'other'",
            "tagName eq 'ENV'",
            "tagName eq 'env' and tagValue eq 'Test'",
            "tagName eq 'team' and tagValue eq 'a''b'",
            "startswith(tagName, 'en')",
            "substringof('cach', name)",
            "name eq 'x' or name eq 'my-cache'",
            "name eq 'x' and name eq 'y' or name eq 'my-cache'",
            "not (name eq 'x')",
            "(((name eq 'my-cache')))",
            "tagName eq 'none' or tagName eq 'env'",
            "(tagName eq 'env' and tagValue eq 'Test') and (tagName eq 'team' and tagValue eq 'a''b')",
        ] {
            assert!(matches(kept), "{kept}");
        }
        for left_out in [
            "resourceType eq 'Microsoft.Cache'",
            "resourceGroup ne 'my-group'",
            "tagName eq 'env' and tagValue eq 'test'",
            "tagName eq 'env' and tagValue eq 'a''b'",
            "tagName eq 'none'",
            "name eq 'my-cache' and (name eq 'x' or location eq 'westus')",
            "not name eq 'my-cache'",
        ] {
            assert!(!matches(left_out), "{left_out}");
        }
    }

    fn refused(filter: &str, expected: Expect) {
        expected.assert_eq(&Filter::parse(filter).unwrap_err().message);
    }

    #[test]
    fn what_is_no_filter_is_refused_with_what_would_be() {
        refused(
            "",
            expect![
                "Invalid $filter '' specified in the query string: a property (resourceType, resourceGroup, name, location, tagName, tagValue) was expected at its end."
            ],
        );
        refused(
            "colour eq 'red'",
            expect![
                "Invalid $filter 'colour eq 'red'' specified in the query string: 'colour' is not one of the properties that can be filtered by: resourceType, resourceGroup, name, location, tagName, tagValue."
            ],
        );
        refused(
            "name like 'x'",
            expect![
                "Invalid $filter 'name like 'x'' specified in the query string: 'eq' or 'ne' was expected where 'like' is."
            ],
        );
        refused(
            "name eq 'x",
            expect!["Invalid $filter 'name eq 'x' specified in the query string: a text has no closing quote."],
        );
        refused(
            "name eq 'x' name",
            expect!["Invalid $filter 'name eq 'x' name' specified in the query string: 'name' was not expected there."],
        );
        refused(
            "(name eq 'x'",
            expect!["Invalid $filter '(name eq 'x'' specified in the query string: ')' was expected at its end."],
        );
        refused(
            &"(".repeat(40),
            expect![
                "Invalid $filter '((((((((((((((((((((((((((((((((((((((((' specified in the query string: it is nested deeper than 32 levels."
            ],
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,60}") {
            let _ = Filter::parse(&text);
        }

        #[test]
        fn what_is_made_of_filters_words_never_panics(words in proptest::collection::vec(
            prop_oneof![Just("name"), Just("eq"), Just("'x'"), Just("("), Just(")"), Just("and"), Just("not"), Just("''"), Just("startswith"), Just(",")], 0..40)
        ) {
            let _ = Filter::parse(&words.join(" "));
        }
    }
}
