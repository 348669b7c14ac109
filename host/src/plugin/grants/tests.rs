//! What is asked for, what is allowed, and what comes of both: tables.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use floci_az_contract::{Manifest, Wants, WorkloadSpec};
use serde_json::json;

use super::*;

fn manifest(wants: serde_json::Value) -> Manifest {
    let wants: Wants = serde_json::from_value(wants).unwrap();
    Manifest {
        namespace: "Contoso.Widgets".to_owned(),
        service: "widgets".to_owned(),
        programs: vec!["widget-server".to_owned()],
        wants,
        ..Manifest::default()
    }
}

fn everything() -> Manifest {
    manifest(json!({
        "workloads": { "images": ["contoso/widget:*", "${image}"], "count": 3, "memory": "64mb" },
        "ports": ["${first}-${last}", "9000"], "resp": true, "ingress": true, "transfers": true,
    }))
}

fn values(given: &[(&str, &str)]) -> BTreeMap<String, String> {
    let usual = [("image", "contoso/gadget:1"), ("first", "7000"), ("last", "7009")];
    usual.iter().chain(given).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn shown(grants: &Grants) -> String {
    let lines = grants.lines();
    if lines.is_empty() { "nothing\n".to_owned() } else { lines.join("\n") + "\n" }
}

#[test]
fn a_manifest_asks_in_words_and_by_settings() {
    let mut told = String::new();
    for (manifest, given) in [
        (everything(), &[][..]),
        (everything(), &[("image", ""), ("first", "8000")]),
        (manifest(json!({})), &[]),
        (manifest(json!({ "workloads": {}, "ports": [] })), &[]),
    ] {
        told += &format!("{given:?}\n{}\n", shown(&Grants::asked(&manifest, &values(given))));
    }
    expect![[r#"
        []
        workloads: images contoso/widget:*, contoso/gadget:1; programs widget-server; 3 at most; 67108864 bytes of memory each
        ports: 7000-7009, 9000
        resp
        ingress
        transfers

        [("image", ""), ("first", "8000")]
        workloads: images contoso/widget:*; programs widget-server; 3 at most; 67108864 bytes of memory each
        ports: 9000
        resp
        ingress
        transfers

        []
        nothing

        []
        workloads: images none; programs widget-server
        ports: none

    "#]].assert_eq(&told);
}

/// What is granted to a manifest that asks for everything, by what an operator has set and by what is so by default.
fn check(by_default: &Grants, given: &[(&str, &str)], expected: Expect) {
    let values = values(given);
    let granted = Grants::read(&everything(), &values, by_default);
    let lacks = granted.lacks(&Grants::asked(&everything(), &values));
    let lacks: String = lacks.iter().map(|one| format!("- {one}\n")).collect();
    expected.assert_eq(&(shown(&granted) + &lacks));
}

#[test]
fn without_a_default_only_what_a_switch_allows_is_granted() {
    let none = Grants::none("widgets");
    check(
        &none,
        &[],
        expect![[r#"
        nothing
        - 'workloads' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.workloads
        - 'ports' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.ports
        - 'resp' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.resp
        - 'ingress' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.ingress
        - 'transfers' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.transfers
    "#]],
    );
    check(
        &none,
        &[("grants.images", "*"), ("grants.port-ranges", "1-65535")],
        expect![[r#"
        nothing
        - 'workloads' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.workloads
        - 'ports' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.ports
        - 'resp' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.resp
        - 'ingress' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.ingress
        - 'transfers' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.transfers
    "#]],
    );
    check(
        &none,
        &[("grants.workloads", "true"), ("grants.ports", "true"), ("grants.resp", "true")],
        expect![[r#"
        workloads: images contoso/widget:*, contoso/gadget:1; programs widget-server; 3 at most; 67108864 bytes of memory each
        ports: 7000-7009, 9000
        resp
        - 'ingress' is not granted to this plugin (granted: workloads, ports, resp). Whoever operates the gateway can allow it: services.widgets.grants.ingress
        - 'transfers' is not granted to this plugin (granted: workloads, ports, resp). Whoever operates the gateway can allow it: services.widgets.grants.transfers
    "#]],
    );
    check(
        &none,
        &[
            ("grants.workloads", "true"),
            ("grants.images", "contoso/widget:1"),
            ("grants.programs", "widget-*"),
            ("grants.count", "2"),
            ("grants.memory", "32mb"),
            ("grants.ports", "true"),
            ("grants.port-ranges", "7000-7004,7005-7009"),
            ("grants.ingress", "false"),
        ],
        expect![[r#"
            workloads: images contoso/widget:1; programs widget-*; 2 at most; 33554432 bytes of memory each
            ports: 7000-7004, 7005-7009
            - 'resp' is not granted to this plugin (granted: workloads, ports). Whoever operates the gateway can allow it: services.widgets.grants.resp
            - 'ingress' is not granted to this plugin (granted: workloads, ports). Whoever operates the gateway can allow it: services.widgets.grants.ingress
            - 'transfers' is not granted to this plugin (granted: workloads, ports). Whoever operates the gateway can allow it: services.widgets.grants.transfers
            - the image 'contoso/widget:*' is not granted to this plugin (granted: contoso/widget:1). Whoever operates the gateway can allow it: services.widgets.grants.images
            - the image 'contoso/gadget:1' is not granted to this plugin (granted: contoso/widget:1). Whoever operates the gateway can allow it: services.widgets.grants.images
            - a count of 3 workloads is not granted to this plugin (granted: 2). Whoever operates the gateway can allow it: services.widgets.grants.count
            - a workload with 67108864 bytes of memory is not granted to this plugin (granted: 33554432 bytes). Whoever operates the gateway can allow it: services.widgets.grants.memory
            - a port of 9000 is not granted to this plugin (granted: 7000-7004, 7005-7009). Whoever operates the gateway can allow it: services.widgets.grants.port-ranges
        "#]],
    );
}

#[test]
fn by_default_is_granted_what_the_first_asked_for_and_a_switch_refuses_or_allows_more() {
    let first = Grants::asked(&manifest(json!({ "workloads": { "images": ["contoso/widget:*"] } })), &values(&[]));
    check(
        &first,
        &[],
        expect![[r#"
        workloads: images contoso/widget:*; programs widget-server
        - 'ports' is not granted to this plugin (granted: workloads). Whoever operates the gateway can allow it: services.widgets.grants.ports
        - 'resp' is not granted to this plugin (granted: workloads). Whoever operates the gateway can allow it: services.widgets.grants.resp
        - 'ingress' is not granted to this plugin (granted: workloads). Whoever operates the gateway can allow it: services.widgets.grants.ingress
        - 'transfers' is not granted to this plugin (granted: workloads). Whoever operates the gateway can allow it: services.widgets.grants.transfers
        - the image 'contoso/gadget:1' is not granted to this plugin (granted: contoso/widget:*). Whoever operates the gateway can allow it: services.widgets.grants.images
    "#]],
    );
    check(
        &first,
        &[("grants.workloads", "")],
        expect![[r#"
        workloads: images contoso/widget:*; programs widget-server
        - 'ports' is not granted to this plugin (granted: workloads). Whoever operates the gateway can allow it: services.widgets.grants.ports
        - 'resp' is not granted to this plugin (granted: workloads). Whoever operates the gateway can allow it: services.widgets.grants.resp
        - 'ingress' is not granted to this plugin (granted: workloads). Whoever operates the gateway can allow it: services.widgets.grants.ingress
        - 'transfers' is not granted to this plugin (granted: workloads). Whoever operates the gateway can allow it: services.widgets.grants.transfers
        - the image 'contoso/gadget:1' is not granted to this plugin (granted: contoso/widget:*). Whoever operates the gateway can allow it: services.widgets.grants.images
    "#]],
    );
    check(
        &first,
        &[("grants.workloads", "false")],
        expect![[r#"
        nothing
        - 'workloads' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.workloads
        - 'ports' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.ports
        - 'resp' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.resp
        - 'ingress' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.ingress
        - 'transfers' is not granted to this plugin (granted: none). Whoever operates the gateway can allow it: services.widgets.grants.transfers
    "#]],
    );
    check(
        &first,
        &[("grants.workloads", "true"), ("grants.resp", "true")],
        expect![[r#"
        workloads: images contoso/widget:*, contoso/gadget:1; programs widget-server; 3 at most; 67108864 bytes of memory each
        resp
        - 'ports' is not granted to this plugin (granted: workloads, resp). Whoever operates the gateway can allow it: services.widgets.grants.ports
        - 'ingress' is not granted to this plugin (granted: workloads, resp). Whoever operates the gateway can allow it: services.widgets.grants.ingress
        - 'transfers' is not granted to this plugin (granted: workloads, resp). Whoever operates the gateway can allow it: services.widgets.grants.transfers
    "#]],
    );
    check(
        &first,
        &[("grants.images", "contoso/*")],
        expect![[r#"
        workloads: images contoso/*; programs widget-server
        - 'ports' is not granted to this plugin (granted: workloads). Whoever operates the gateway can allow it: services.widgets.grants.ports
        - 'resp' is not granted to this plugin (granted: workloads). Whoever operates the gateway can allow it: services.widgets.grants.resp
        - 'ingress' is not granted to this plugin (granted: workloads). Whoever operates the gateway can allow it: services.widgets.grants.ingress
        - 'transfers' is not granted to this plugin (granted: workloads). Whoever operates the gateway can allow it: services.widgets.grants.transfers
    "#]],
    );
}

#[test]
fn one_question_is_answered() {
    let given = [("grants.count", "2"), ("grants.transfers", "false")];
    let granted = Grants::read(&everything(), &values(&given), &Grants::asked(&everything(), &values(&[])));
    let spec = |image: &str, programs: &[&str], memory: Option<u64>| WorkloadSpec {
        name: "server".to_owned(),
        image: image.to_owned(),
        programs: programs.iter().map(|&program| program.to_owned()).collect(),
        args: Vec::new(),
        env: BTreeMap::new(),
        ports: BTreeMap::new(),
        files: BTreeMap::new(),
        memory,
    };
    let most = Some(64 << 20);
    let specs = [
        spec("contoso/widget:9", &["widget-server"], most),
        spec("contoso/gadget:1", &["widget-server"], Some(1)),
        spec("contoso/gadget:10", &["widget-server"], most),
        spec("evil/contoso/widget:9", &["widget-server"], most),
        spec("contoso/widget:9", &["widget-server", "sh"], most),
        spec("contoso/widget:9", &["/tmp/widget-server"], most),
        spec("contoso/widget:9", &["widget-server"], most.map(|bytes| bytes + 1)),
        spec("contoso/widget:9", &["widget-server"], None),
    ];
    let ports =
        [(7000, 7009), (7003, 7003), (9000, 9000), (7009, 7000), (7000, 7010), (6999, 7000), (8999, 9000), (0, 65535)];
    let asks: Vec<Ask<'_>> = Capability::ALL
        .into_iter()
        .map(Ask::Use)
        .chain(specs.iter().map(Ask::Workload))
        .chain([0, 1, 2, 3].map(Ask::OneMoreThan))
        .chain(ports.map(|(first, last)| Ask::Ports { first, last }))
        .collect();
    let name = |ask: &Ask<'_>| match ask {
        Ask::Workload(spec) => format!("{} {:?} {:?}", spec.image, spec.programs, spec.memory),
        other => format!("{other:?}"),
    };
    let told: String = asks
        .iter()
        .map(|ask| match granted.allows(*ask) {
            Ok(()) => format!("{}: yes\n", name(ask)),
            Err(refusal) => format!("{}: {refusal}\n", name(ask)),
        })
        .collect();
    expect![[r#"
        Use(Workloads): yes
        Use(Ports): yes
        Use(Resp): yes
        Use(Ingress): yes
        Use(Transfers): 'transfers' is not granted to this plugin (granted: workloads, ports, resp, ingress). Whoever operates the gateway can allow it: services.widgets.grants.transfers
        contoso/widget:9 ["widget-server"] Some(67108864): yes
        contoso/gadget:1 ["widget-server"] Some(1): yes
        contoso/gadget:10 ["widget-server"] Some(67108864): the image 'contoso/gadget:10' is not granted to this plugin (granted: contoso/widget:*, contoso/gadget:1). Whoever operates the gateway can allow it: services.widgets.grants.images
        evil/contoso/widget:9 ["widget-server"] Some(67108864): the image 'evil/contoso/widget:9' is not granted to this plugin (granted: contoso/widget:*, contoso/gadget:1). Whoever operates the gateway can allow it: services.widgets.grants.images
        contoso/widget:9 ["widget-server", "sh"] Some(67108864): the program 'sh' is not granted to this plugin (granted: widget-server). Whoever operates the gateway can allow it: services.widgets.grants.programs
        contoso/widget:9 ["/tmp/widget-server"] Some(67108864): the program '/tmp/widget-server' is not granted to this plugin (granted: widget-server). Whoever operates the gateway can allow it: services.widgets.grants.programs
        contoso/widget:9 ["widget-server"] Some(67108865): the workload 'server' with 67108865 bytes of memory is not granted to this plugin (granted: 67108864 bytes). Whoever operates the gateway can allow it: services.widgets.grants.memory
        contoso/widget:9 ["widget-server"] None: the workload 'server' without a bound of its memory is not granted to this plugin (granted: 67108864 bytes). Whoever operates the gateway can allow it: services.widgets.grants.memory
        OneMoreThan(0): yes
        OneMoreThan(1): yes
        OneMoreThan(2): workload number 3 is not granted to this plugin (granted: 2). Whoever operates the gateway can allow it: services.widgets.grants.count
        OneMoreThan(3): workload number 4 is not granted to this plugin (granted: 2). Whoever operates the gateway can allow it: services.widgets.grants.count
        Ports { first: 7000, last: 7009 }: yes
        Ports { first: 7003, last: 7003 }: yes
        Ports { first: 9000, last: 9000 }: yes
        Ports { first: 7009, last: 7000 }: yes
        Ports { first: 7000, last: 7010 }: a port of 7000-7010 is not granted to this plugin (granted: 7000-7009, 9000). Whoever operates the gateway can allow it: services.widgets.grants.port-ranges
        Ports { first: 6999, last: 7000 }: a port of 6999-7000 is not granted to this plugin (granted: 7000-7009, 9000). Whoever operates the gateway can allow it: services.widgets.grants.port-ranges
        Ports { first: 8999, last: 9000 }: a port of 8999-9000 is not granted to this plugin (granted: 7000-7009, 9000). Whoever operates the gateway can allow it: services.widgets.grants.port-ranges
        Ports { first: 0, last: 65535 }: a port of 0-65535 is not granted to this plugin (granted: 7000-7009, 9000). Whoever operates the gateway can allow it: services.widgets.grants.port-ranges
    "#]].assert_eq(&told);
    let none = Grants::none("widgets");
    assert!(asks.iter().all(|ask| none.allows(*ask).is_err()), "nothing is granted");
}

#[test]
fn ranges_side_by_side_are_one() {
    let ranges = PortRange::parse_all("10-12,13,14-20,30,65530-65535").unwrap();
    for (first, last, covered) in [
        (10, 20, true),
        (12, 14, true),
        (10, 21, false),
        (9, 10, false),
        (30, 30, true),
        (20, 30, false),
        (65_535, 65_535, true),
        (65_000, 65_535, false),
    ] {
        assert_eq!(covers(&ranges, PortRange { first, last }), covered, "{first}-{last}");
    }
}

#[test]
fn what_a_component_imports_has_to_be_granted() {
    let granted = Grants::read(&everything(), &values(&[("grants.resp", "true")]), &Grants::none("widgets"));
    let free = [
        "floci:provider/types@0.1.0",
        "floci:provider/log@0.1.0",
        "floci:provider/resources@0.1.0",
        "floci:provider/settings@0.1.0",
        "wasi:clocks/wall-clock@0.2.6",
        "other:provider/workloads@0.1.0",
    ];
    assert_eq!(Grants::none("widgets").check_imports(free), Ok(()));
    assert_eq!(granted.check_imports(free.into_iter().chain(["floci:provider/resp@0.1.0"])), Ok(()));
    let imports = [
        "floci:provider/ports@0.1.0",
        "floci:provider/resp@0.1.0",
        "floci:provider/workloads@0.2.0",
        "floci:provider/ports@0.2.0",
    ];
    let told = |grants: &Grants| grants.check_imports(imports).unwrap_err().to_string();
    expect![[r#"
        it imports workloads, ports, which the service widgets is not granted (granted: resp). To allow it, write into floci-az.yml:
            floci-az.services.widgets.grants.workloads: true
            floci-az.services.widgets.grants.ports: true"#]].assert_eq(&told(&granted));
    expect![[r#"
        it imports workloads, ports, resp, which the service widgets is not granted (granted: nothing). To allow it, write into floci-az.yml:
            floci-az.services.widgets.grants.workloads: true
            floci-az.services.widgets.grants.ports: true
            floci-az.services.widgets.grants.resp: true"#]].assert_eq(&told(&Grants::none("widgets")));
}

#[test]
fn every_declared_grant_is_read() {
    let all = Grants::asked(&everything(), &values(&[]));
    for setting in declarations() {
        assert_eq!(setting.parse(""), Ok(String::new()), "{} is optional", setting.key);
        let (key, example) = setting.example.split_once(": ").unwrap();
        assert_eq!(key, setting.key);
        let example = setting.parse(example).unwrap();
        let value = if example == "true" { "false" } else { &example };
        let read = Grants::read(&everything(), &values(&[(key, value)]), &all);
        assert_ne!(read, all, "{key}: {value}");
    }
}
