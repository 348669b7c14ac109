//! The text of the metrics in the words that its reader asked for.
//!
//! OpenMetrics 1.0 for whoever accepts it, else Prometheus' own format 0.0.4. They differ in the lines that describe a
//! metric: a counter is described by its name without `_total` in the one, with it in the other; the latter knows
//! neither the type `info` nor units.

/// What is sent, and its media type.
#[derive(Debug, PartialEq, Eq)]
pub struct Exposition {
    pub media_type: &'static str,
    pub text: String,
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn exposition(text: String, accept: Option<&str>) -> Exposition {
    match accepts_open_metrics(accept.unwrap_or_default()) {
        true => Exposition { media_type: OPEN_METRICS, text },
        false => Exposition { media_type: PROMETHEUS, text: prometheus(&text) },
    }
}

/// It is preferred to what else is accepted, as Prometheus does, unless it is said to be unwanted.
fn accepts_open_metrics(accept: &str) -> bool {
    accept.split(',').any(|one| {
        let mut words = one.split(';').map(str::trim);
        let is_it = words.next().is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
        let weight = |word: &str| word.strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
        is_it && !words.filter_map(weight).any(|weight| weight == 0.0)
    })
}

fn prometheus(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("# UNIT") && *line != "# EOF").collect();
    let mut changed = String::with_capacity(text.len());
    for line in &lines {
        let mut words = line.splitn(4, ' ');
        let described = match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what @ ("HELP" | "TYPE")), Some(name), Some(rest)) => {
                let suffix = match type_of(&lines, name) {
                    Some("counter") => "_total",
                    Some("info") => "_info",
                    _ => "",
                };
                let rest = match (what, rest) {
                    ("TYPE", "info") => "gauge",
                    ("TYPE", "unknown") => "untyped",
                    _ => rest,
                };
                Some(format!("# {what} {name}{suffix} {rest}"))
            }
            _ => None,
        };
        changed.push_str(described.as_deref().unwrap_or(line));
        changed.push('\n');
    }
    changed
}

fn type_of<'a>(lines: &[&'a str], name: &str) -> Option<&'a str> {
    let mut lines = lines.iter();
    lines.find_map(|line| line.strip_prefix("# TYPE ")?.strip_prefix(name)?.strip_prefix(' '))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_reader_chooses_the_format() {
        for (accept, media_type) in [
            (None, PROMETHEUS),
            (Some("*/*"), PROMETHEUS),
            (Some("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), PROMETHEUS),
            (Some("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"), OPEN_METRICS),
            (Some("APPLICATION/OpenMetrics-Text"), OPEN_METRICS),
            (Some("application/openmetrics-text;q=0, */*"), PROMETHEUS),
            (Some("application/openmetrics-textual"), PROMETHEUS),
        ] {
            assert_eq!(exposition("# EOF\n".to_owned(), accept).media_type, media_type, "{accept:?}");
        }
    }

    #[test]
    fn older_readers_get_older_descriptions() {
        let text = "# HELP a What runs.\n# TYPE a info\na_info{v=\"1\"} 1\n# HELP b Asked for.\n# TYPE b counter\nb_total 7\n\
                    # HELP c_seconds Long.\n# TYPE c_seconds histogram\n# UNIT c_seconds seconds\nc_seconds_sum 0.5\n\
                    # HELP d Now.\n# TYPE d gauge\nd{x=\"# TYPE b counter\"} 3\n# EOF\n";
        expect![[r##"
            # HELP a_info What runs.
            # TYPE a_info gauge
            a_info{v="1"} 1
            # HELP b_total Asked for.
            # TYPE b_total counter
            b_total 7
            # HELP c_seconds Long.
            # TYPE c_seconds histogram
            c_seconds_sum 0.5
            # HELP d Now.
            # TYPE d gauge
            d{x="# TYPE b counter"} 3
        "##]]
        .assert_eq(&exposition(text.to_owned(), None).text);
    }
}
