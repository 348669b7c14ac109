//! A reader of metrics that takes nothing but what the formats allow.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub struct Exposition {
    pub text: String,
    /// By name and labels.
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

impl Exposition {
    /// Of either format: each sample belongs to a metric that was described before it, once; buckets add up.
    pub fn parse(text: &str) -> Exposition {
        let (mut types, mut samples) = (BTreeMap::new(), BTreeMap::new());
        assert!(text.ends_with('\n'), "the last line has no end");
        let is_open = text.ends_with("# EOF\n");
        assert_eq!(text.matches("# EOF").count(), usize::from(is_open));
        for line in text.lines() {
            if let Some(described) = line.strip_prefix("# ") {
                let words: Vec<&str> = described.splitn(3, ' ').collect();
                if words[0] == "TYPE" {
                    let known =
                        ["counter", "gauge", "histogram"].contains(&words[2]) || (is_open && words[2] == "info");
                    assert!(known, "{line}");
                    assert_eq!(types.insert(words[1].to_owned(), words[2].to_owned()), None, "{line}");
                }
                assert!(["TYPE", "HELP"].contains(&words[0]) || is_open, "{line}");
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
            let (name, labels) = series.split_once('{').map_or((series, ""), |(name, rest)| {
                (name, rest.strip_suffix('}').unwrap_or_else(|| panic!("no end: {line}")))
            });
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
            assert!(belongs(name, &types, is_open), "not described: {line}");
            let key = (name.to_owned(), self::labels(labels));
            assert_eq!(samples.insert(key, value.parse().unwrap()), None, "twice: {line}");
        }
        let exposition = Exposition { text: text.to_owned(), samples };
        exposition.check_histograms(&types);
        exposition
    }

    fn check_histograms(&self, types: &BTreeMap<String, String>) {
        let is_histogram = |name: &str| types.get(name).is_some_and(|kind| kind == "histogram");
        let counts = self.samples.iter().filter(|((name, _), _)| name.strip_suffix("_count").is_some_and(is_histogram));
        for ((name, labels), count) in counts {
            let bucket = format!("{}_bucket", name.strip_suffix("_count").unwrap());
            let mut buckets: Vec<(f64, f64)> = Vec::new();
            for ((other, others), value) in &self.samples {
                let mut others = others.clone();
                let bound = others.remove("le");
                if *other == bucket && others == *labels {
                    let bound = bound.unwrap();
                    buckets.push((if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() }, *value));
                }
            }
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.is_sorted_by(|one, other| one.1 <= other.1), "{name} {labels:?}: {buckets:?}");
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{name} {labels:?}");
        }
    }

    /// Of the series that have these labels, among others; none if there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found = self.samples.iter().filter(|((other, theirs), _)| {
            other == name && labels.iter().all(|(key, value)| theirs.get(*key).is_some_and(|other| other == value))
        });
        found.map(|(_, value)| *value).reduce(|one, other| one + other)
    }

    /// How many series a metric has.
    pub fn count(&self, name: &str) -> usize {
        self.samples.keys().filter(|(other, _)| other == name).count()
    }
}

/// Whether a sample is one of a metric that was described.
fn belongs(name: &str, types: &BTreeMap<String, String>, is_open: bool) -> bool {
    let is = |name: &str, kind: &str| types.get(name).is_some_and(|other| other == kind);
    let parts = ["_bucket", "_count", "_sum"].iter().filter_map(|part| name.strip_suffix(part));
    is(name, "gauge")
        || parts.into_iter().any(|name| is(name, "histogram"))
        || match is_open {
            true => {
                name.strip_suffix("_total").is_some_and(|name| is(name, "counter"))
                    || name.strip_suffix("_info").is_some_and(|name| is(name, "info"))
            }
            false => is(name, "counter") && name.ends_with("_total"),
        }
}

/// `a="b",c="d"`; none of ours has a quote or a comma in it.
fn labels(text: &str) -> BTreeMap<String, String> {
    let pairs: Vec<&str> = text.split(',').filter(|pair| !pair.is_empty()).collect();
    let names: BTreeSet<&str> = pairs.iter().filter_map(|pair| pair.split('=').next()).collect();
    assert_eq!(names.len(), pairs.len(), "a label twice: {text}");
    let pair = |pair: &&str| {
        let (name, value) = pair.split_once('=').unwrap();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        (name.to_owned(), value.unwrap_or_else(|| panic!("no quotes: {text}")).to_owned())
    };
    pairs.iter().map(pair).collect()
}
