//! What people see of plugins: a table, what an install came to, and the next command.

use crate::rollout::{Origin, Outcome, PluginView, RevisionView};

const HEAD: [&str; 7] = ["NAMESPACE", "STATE", "REVISION", "VERSION", "CONTRACT", "SINCE", "ORIGIN"];
const ACTIVE: &str = "Active";

/// One line for each revision, and below the table what there is to say of some.
pub(super) fn list(plugins: &[PluginView], program: &str) -> String {
    if plugins.is_empty() {
        return format!("No plugins. Install one: {program} plugin install FILE\n");
    }
    let mut rows = vec![HEAD.map(str::to_owned)];
    let mut notes = String::new();
    for plugin in plugins {
        for revision in &plugin.revisions {
            rows.push(row(&plugin.namespace, revision));
            if let Some(note) = &revision.note {
                notes += &format!("\n{} {}: {note}\n", plugin.namespace, revision.digest.short());
            }
        }
        if plugin.active.is_none() {
            notes += &format!(
                "\n{} is served by no revision; {} of its resources are stored.\n",
                plugin.namespace, plugin.resources
            );
        }
    }
    table(&rows) + &notes
}

fn row(namespace: &str, revision: &RevisionView) -> [String; 7] {
    let RevisionView { digest, state, version, contract, installed, origin, .. } = revision;
    // Seconds are enough to tell one install from another.
    let since = installed.split('.').next().unwrap_or(installed).trim_end_matches('Z').replace('T', " ");
    [namespace, state, digest.short(), version, contract, &since, &place(origin)].map(str::to_owned)
}

fn place(origin: &Origin) -> String {
    match origin {
        Origin::Bundled => "bundled".to_owned(),
        Origin::Upload => "upload".to_owned(),
        Origin::File(path) => path.display().to_string(),
        Origin::Image(reference) => reference.clone(),
    }
}

fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// Of an install.
pub(super) fn installed(outcome: &Outcome, program: &str) -> String {
    let mut text = described(outcome, Shown::Installed);
    text += &to_allow(outcome, "and install it again");
    text += &match outcome.revision.state.as_str() {
        ACTIVE => format!("\nIt serves {} now.\n", outcome.namespace) + &back(outcome, program),
        _ => format!(
            "\nNext, to have it serve:\n\n  {program} plugin swap {} {}\n",
            outcome.namespace,
            outcome.revision.digest.short()
        ),
    };
    text
}

/// Of a check.
pub(super) fn checked(outcome: &Outcome, source: &str, program: &str) -> String {
    let text = described(outcome, Shown::Checked) + &to_allow(outcome, "before it is installed");
    text + &format!(
        "\nNothing stands in its way. Nothing was changed. Next:\n\n  {program} plugin install --swap {source}\n"
    )
}

/// Of a swap and a rollback.
pub(super) fn moved(outcome: &Outcome, program: &str) -> String {
    let Outcome { namespace, revision, replaced, .. } = outcome;
    let before = replaced.as_ref().map_or(String::new(), |digest| format!(", in the place of {}", digest.short()));
    let mut text = format!(
        "{namespace} is served by the revision {} ({}) now{before}.\n",
        revision.digest.short(),
        revision.version
    );
    text += &remarks(outcome, Shown::Installed);
    text + &back(outcome, program)
}

fn back(outcome: &Outcome, program: &str) -> String {
    match &outcome.replaced {
        Some(digest) => {
            format!("\nBack again:\n\n  {program} plugin rollback {} --to {}\n", outcome.namespace, digest.short())
        }
        None => String::new(),
    }
}

/// A revision that was only checked has no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Installed,
    Checked,
}

fn described(outcome: &Outcome, shown: Shown) -> String {
    let Outcome { namespace, service, revision, .. } = outcome;
    let schemas: Vec<String> = revision.schemas.iter().map(|(kind, schema)| format!("{kind} {schema}")).collect();
    let mut lines = vec![
        ("digest", format!("sha256:{}", revision.digest)),
        ("state", if shown == Shown::Installed { revision.state.clone() } else { String::new() }),
        ("contract", revision.contract.clone()),
        ("origin", revision.origin.to_string()),
        ("service", service.clone()),
        ("schemas", schemas.join(", ")),
    ];
    lines.extend(grants(revision).into_iter().enumerate().map(|(at, line)| (if at == 0 { "asks" } else { "" }, line)));
    let body: String = lines
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("  {name:<8}  {value}\n"))
        .collect();
    format!("{namespace} {}\n{body}{}", revision.version, remarks(outcome, shown))
}

fn remarks(outcome: &Outcome, shown: Shown) -> String {
    let converted = match (outcome.converted, shown) {
        (0, _) => String::new(),
        (1, Shown::Installed) => "1 stored resource was put back into the older schema.\n".to_owned(),
        (some, Shown::Installed) => format!("{some} stored resources were put back into the older schema.\n"),
        (some, Shown::Checked) => {
            format!("A swap would put back into the older schema: {some} of the stored resources.\n")
        }
    };
    let notes: String = outcome.notes.iter().map(|note| format!("note: {note}\n")).collect();
    converted + &notes
}

/// The interface that a line of `asks` or `allowed` is about: `workloads` of `workloads: images valkey/*`.
fn interface(line: &str) -> &str {
    line.split([':', ' ']).next().unwrap_or(line)
}

/// What is asked for, each with what is allowed of it.
fn grants(revision: &RevisionView) -> Vec<String> {
    if revision.asks.is_empty() {
        return vec!["for nothing beside its own resources and settings".to_owned()];
    }
    let line = |asked: &String| {
        let allowed = revision.allowed.iter().find(|allowed| interface(allowed) == interface(asked));
        match allowed {
            Some(allowed) if allowed == asked => format!("{asked} (allowed)"),
            Some(allowed) => format!("{asked} (allowed: {allowed})"),
            None => format!("{asked} (not allowed)"),
        }
    };
    revision.asks.iter().map(line).collect()
}

/// What to write for what is asked for and not allowed at all.
fn to_allow(outcome: &Outcome, then: &str) -> String {
    let Outcome { service, revision, .. } = outcome;
    let is_allowed = |asked: &&String| revision.allowed.iter().any(|allowed| interface(allowed) == interface(asked));
    let missing: Vec<&str> =
        revision.asks.iter().filter(|asked| !is_allowed(asked)).map(|asked| interface(asked)).collect();
    if missing.is_empty() {
        return String::new();
    }
    let lines: String = missing.iter().map(|one| format!("          {one}: true\n")).collect();
    format!(
        "\nWhat is not allowed is refused to it when it asks. To allow it, write into floci-az.yml, {then}:\n\n  floci-az:\n    services:\n      {service}:\n        grants:\n{lines}"
    )
}

/// For people: `812 KB`.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} KB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use expect_test::expect;

    use super::*;
    use crate::plugin::Digest;

    fn digest(digit: &str) -> Digest {
        digit.repeat(64).parse().unwrap()
    }

    fn revision(digit: &str, state: &str, origin: Origin) -> RevisionView {
        RevisionView {
            digest: digest(digit),
            state: state.to_owned(),
            version: "1.2.0".to_owned(),
            contract: "0.1.0".to_owned(),
            origin,
            installed: "2026-01-02T03:04:05.678901Z".to_owned(),
            served: None,
            note: None,
            schemas: vec![("widgets".to_owned(), 2), ("widgets/parts".to_owned(), 1)],
            asks: Vec::new(),
            allowed: Vec::new(),
        }
    }

    fn outcome(revision: RevisionView, replaced: Option<Digest>) -> Outcome {
        Outcome {
            namespace: "Contoso.Widgets".to_owned(),
            service: "widgets".to_owned(),
            revision,
            replaced,
            converted: 0,
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_list_is_a_line_for_each_revision() {
        let plugin = |namespace: &str, active: Option<Digest>, revisions| PluginView {
            namespace: namespace.to_owned(),
            service: "s".to_owned(),
            active,
            revisions,
            resources: 3,
            settings: Vec::new(),
        };
        let noted = RevisionView {
            note: Some("rolled back: it trapped 3 times in its probation".to_owned()),
            ..revision("c", "Ready", Origin::Image("registry.test/widgets:1@sha256:00".to_owned()))
        };
        let plugins = [
            plugin("Contoso.Cache", Some(digest("a")), vec![revision("a", "Active", Origin::Bundled)]),
            plugin(
                "Contoso.Widgets",
                Some(digest("b")),
                vec![noted, revision("b", "Active", Origin::File(PathBuf::from("/plugins/widgets.wasm")))],
            ),
            plugin("Contoso.Gone", None, vec![revision("d", "Retired", Origin::Upload)]),
        ];
        expect![[r#"
            NAMESPACE        STATE    REVISION      VERSION  CONTRACT  SINCE                ORIGIN
            Contoso.Cache    Active   aaaaaaaaaaaa  1.2.0    0.1.0     2026-01-02 03:04:05  bundled
            Contoso.Widgets  Ready    cccccccccccc  1.2.0    0.1.0     2026-01-02 03:04:05  registry.test/widgets:1@sha256:00
            Contoso.Widgets  Active   bbbbbbbbbbbb  1.2.0    0.1.0     2026-01-02 03:04:05  /plugins/widgets.wasm
            Contoso.Gone     Retired  dddddddddddd  1.2.0    0.1.0     2026-01-02 03:04:05  upload

            Contoso.Widgets cccccccccccc: rolled back: it trapped 3 times in its probation

            Contoso.Gone is served by no revision; 3 of its resources are stored.
        "#]].assert_eq(&list(&plugins, "floci-az"));
        expect![[r#"
            No plugins. Install one: floci-az plugin install FILE
        "#]]
        .assert_eq(&list(&[], "floci-az"));
    }

    #[test]
    fn an_install_shows_what_is_asked_and_allowed_and_what_comes_next() {
        let mut kept = outcome(revision("b", "Ready", Origin::Upload), None);
        expect![[r#"
            Contoso.Widgets 1.2.0
              digest    sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
              state     Ready
              contract  0.1.0
              origin    sent to the gateway
              service   widgets
              schemas   widgets 2, widgets/parts 1
              asks      for nothing beside its own resources and settings

            Next, to have it serve:

              target/release/floci-az plugin swap Contoso.Widgets bbbbbbbbbbbb
        "#]]
        .assert_eq(&installed(&kept, "target/release/floci-az"));
        kept.revision.asks =
            ["workloads: images widgets:*", "ports: 7000-7009", "resp", "ingress"].map(str::to_owned).to_vec();
        kept.revision.allowed = ["workloads: images widgets:1", "ingress"].map(str::to_owned).to_vec();
        kept.notes = vec!["the image 'widgets:*' is not granted".to_owned()];
        expect![[r#"
            Contoso.Widgets 1.2.0
              digest    sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
              state     Ready
              contract  0.1.0
              origin    sent to the gateway
              service   widgets
              schemas   widgets 2, widgets/parts 1
              asks      workloads: images widgets:* (allowed: workloads: images widgets:1)
                        ports: 7000-7009 (not allowed)
                        resp (not allowed)
                        ingress (allowed)
            note: the image 'widgets:*' is not granted

            What is not allowed is refused to it when it asks. To allow it, write into floci-az.yml, and install it again:

              floci-az:
                services:
                  widgets:
                    grants:
                      ports: true
                      resp: true

            Next, to have it serve:

              floci-az plugin swap Contoso.Widgets bbbbbbbbbbbb
        "#]].assert_eq(&installed(&kept, "floci-az"));
        expect![[r#"
            Contoso.Widgets 1.2.0
              digest    sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
              contract  0.1.0
              origin    sent to the gateway
              service   widgets
              schemas   widgets 2, widgets/parts 1
              asks      workloads: images widgets:* (allowed: workloads: images widgets:1)
                        ports: 7000-7009 (not allowed)
                        resp (not allowed)
                        ingress (allowed)
            note: the image 'widgets:*' is not granted

            What is not allowed is refused to it when it asks. To allow it, write into floci-az.yml, before it is installed:

              floci-az:
                services:
                  widgets:
                    grants:
                      ports: true
                      resp: true

            Nothing stands in its way. Nothing was changed. Next:

              floci-az plugin install --swap plugin.wasm
        "#]].assert_eq(&checked(&kept, "plugin.wasm", "floci-az"));
        let swapped = outcome(revision("b", "Active", Origin::Upload), Some(digest("a")));
        expect![[r#"
            Contoso.Widgets 1.2.0
              digest    sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
              state     Active
              contract  0.1.0
              origin    sent to the gateway
              service   widgets
              schemas   widgets 2, widgets/parts 1
              asks      for nothing beside its own resources and settings

            It serves Contoso.Widgets now.

            Back again:

              floci-az plugin rollback Contoso.Widgets --to aaaaaaaaaaaa
        "#]]
        .assert_eq(&installed(&swapped, "floci-az"));
    }

    #[test]
    fn a_swap_says_what_serves_now_and_how_to_go_back() {
        let mut swapped = outcome(revision("b", "Active", Origin::Upload), Some(digest("a")));
        expect![[r#"
            Contoso.Widgets is served by the revision bbbbbbbbbbbb (1.2.0) now, in the place of aaaaaaaaaaaa.

            Back again:

              floci-az plugin rollback Contoso.Widgets --to aaaaaaaaaaaa
        "#]]
        .assert_eq(&moved(&swapped, "floci-az"));
        swapped.converted = 2;
        swapped.replaced = None;
        expect![[r#"
            Contoso.Widgets is served by the revision bbbbbbbbbbbb (1.2.0) now.
            2 stored resources were put back into the older schema.
        "#]]
        .assert_eq(&moved(&swapped, "floci-az"));
    }

    #[test]
    fn a_size_has_few_digits() {
        let sizes = [0, 9_999, 10_000, 812_345, 9_999_999, 64 << 20].map(size).join(", ");
        expect!["0 bytes, 9999 bytes, 10 KB, 812 KB, 9999 KB, 67 MB"].assert_eq(&sizes);
    }
}
