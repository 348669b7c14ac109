//! A plugin that misbehaves harms nobody else: each call of it ends with an error that says why, the next one is as good
//! as any, and other plugins do not notice.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use expect_test::expect;
use floci_az::plugin::Digest;
use serde_json::{Value, json};

use crate::arm::{Answer, Cache, VERSION, quickstart};
use crate::fixture;
use crate::gateway::{Gateway, Runtime, wait_for};
use crate::raw::{self, Raw};

/// A gateway with the bundled plugins (the caches are mocked) and others.
pub struct Served(Gateway);

impl Served {
    pub fn with(others: &[Vec<u8>], settings: &[(&str, &str)]) -> Served {
        let usual = [
            ("FLOCI_AZ_STORAGE_MODE", "memory"),
            ("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true"),
            ("FLOCI_AZ_SERVICES_WIDGETS_GRANTS_RESP", "true"),
        ];
        let settings: Vec<(&str, &str)> = usual.into_iter().chain(settings.iter().copied()).collect();
        let served = Served(Gateway::with(Runtime::None, &settings));
        for component in others {
            served.0.arm().install("", component).expect(200);
        }
        served
    }

    pub fn resource(&self, kind: &str, name: &str) -> Cache {
        self.0.arm().cache_at(&format!("/subscriptions/my-sub/resourceGroups/my-rg/providers/{kind}/{name}"))
    }

    pub fn base(&self) -> String {
        format!("http://localhost:{}", self.0.port)
    }

    /// Until a call of the widgets' plugin runs.
    fn wait_for_a_call(&self) {
        let is_running = |line: &str| {
            line.starts_with("floci_az_plugin_instances{") && line.contains("Contoso.Widgets") && line.ends_with(" 1")
        };
        wait_for("a call", || self.0.arm().text("/metrics").lines().any(is_running));
    }

    fn megabytes_resident(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<usize>().unwrap() / 1024
    }
}

/// Requests to the bundled plugin, one after the other, for as long as this lives.
struct Neighbour {
    end: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    refused: Arc<Mutex<Vec<Answer>>>,
    asking: Option<thread::JoinHandle<()>>,
}

impl Neighbour {
    fn of(served: &Served) -> Neighbour {
        let cache = served.resource("Microsoft.Cache/redis", "neighbour");
        cache.create();
        let end = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(AtomicUsize::new(0));
        let refused: Arc<Mutex<Vec<Answer>>> = Arc::default();
        let (ending, counting, keeping) = (end.clone(), answers.clone(), refused.clone());
        let asking = thread::spawn(move || {
            while !ending.load(Ordering::Relaxed) {
                // An action, and a check of a change: both are calls of the plugin.
                for answer in [cache.post("listKeys", &Value::Null), cache.put(&quickstart())] {
                    if answer.status != 200 {
                        keeping.lock().unwrap().push(answer);
                    }
                    counting.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Neighbour { end, answers, refused, asking: Some(asking) }
    }

    fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    /// Every one of its requests was answered as it should be.
    fn check(mut self) {
        self.end.store(true, Ordering::Relaxed);
        self.asking.take().unwrap().join().unwrap();
        let refused = self.refused.lock().unwrap();
        assert!(refused.is_empty(), "{} of {}: {:?}", refused.len(), self.answers(), refused.first());
    }
}

/// Status, code and message; of the message what is the same in every build.
fn summary(answer: &Answer) -> String {
    if answer.status < 400 {
        return answer.status.to_string();
    }
    let words = answer.message().split(' ').map(|word| match word.split_once('@') {
        Some((namespace, digest)) if digest.len() == 12 => format!("{namespace}@<digest>"),
        _ => word.to_owned(),
    });
    let message = words.collect::<Vec<_>>().join(" ");
    // Places in the source.
    let (before, after) = message.split_once("; its last error was: ").unwrap_or((&message, ""));
    let said = after.rsplit(": ").next().filter(|said| !said.is_empty()).map(|said| format!("; ... {said}"));
    format!("{} {} {before}{}", answer.status, answer.code(), said.unwrap_or_default())
}

pub fn widget(properties: Value) -> Value {
    json!({ "location": "westus", "properties": properties })
}

const WIDGETS: &[(&str, &str)] =
    &[("FLOCI_AZ_SERVICES_WIDGETS_LIMITS_CALL_SECONDS", "3"), ("FLOCI_AZ_SERVICES_WIDGETS_LIMITS_EFFECT_SECONDS", "4")];

#[test]
fn bad_plugin_is_contained() {
    let component = fixture::revision(json!({ "api_versions": [VERSION], "present": true }));
    let served = Served::with(&[component], WIDGETS);
    let (bad, good) = ("Contoso.Widgets/widgets", widget(json!({ "size": 1 })));
    let clean = served.resource(bad, "clean");
    clean.put(&good).expect(201);
    let neighbour = Neighbour::of(&served);
    let at_first = served.megabytes_resident();

    let mut lines = Vec::new();
    let mut check = |what: String, misbehave: &dyn Fn() -> Answer| {
        let before = neighbour.answers();
        let answer = misbehave();
        lines.push(format!("{what}: {}", summary(&answer)));
        wait_for("an answer to the neighbour", || neighbour.answers() > before);
        let next = clean.put(&good);
        assert_eq!(next.status, 200, "the next call after {what}: {next:?}");
        assert_eq!(next.body["properties"]["shownBy"], "1.0.0");
    };
    for word in [
        "loop",
        "memory",
        "handles",
        "recurse",
        "panic",
        "trap",
        "big",
        "garbage",
        "flood-log",
        "flood-stderr",
        "flood-resp",
        "block",
    ] {
        let misbehaving = served.resource(bad, word);
        check(format!("{word} in validate"), &|| misbehaving.put(&widget(json!({ "misbehave": word }))));
    }
    let large = served.resource(bad, "large");
    check("40 MB in validate".to_owned(), &|| large.put(&widget(json!({ "misbehave": "big", "megabytes": 40 }))));
    for word in ["loop", "flood-resp", "block", "panic", "garbage"] {
        check(format!("{word} in rotate"), &|| clean.post("rotate", &json!({ "misbehave": word })));
    }
    check("40 MB in secret".to_owned(), &|| clean.post("secret", &json!({ "misbehave": "big", "megabytes": 40 })));
    for word in ["loop", "trap", "garbage"] {
        let shown = served.resource(bad, &format!("shown-{word}"));
        let body = widget(json!({ "misbehave": word, "misbehaveIn": "present" }));
        check(format!("{word} in present"), &|| shown.put(&body));
        check(format!("{word} in present, again"), &|| shown.get());
    }
    // Many at once: what one of them has taken is given back.
    thread::scope(|scope| {
        for index in 0..24 {
            let bomb = served.resource(bad, &format!("bomb-{index}"));
            scope.spawn(move || {
                // On a machine with few cores its time may be over before its memory is.
                let answer = bomb.put(&widget(json!({ "misbehave": "memory" })));
                assert!(matches!(answer.code(), "PluginOutOfMemory" | "PluginTimedOut"), "{answer:?}");
            });
        }
    });
    expect![[r#"
        loop in validate: 504 PluginTimedOut the plugin Contoso.Widgets@<digest> did not answer 'validate' within 3 s and was stopped. The setting limits.call-seconds of its service allows more.
        memory in validate: 500 PluginOutOfMemory the plugin Contoso.Widgets@<digest> failed in 'validate': it wanted more than 64 MiB of memory. The setting limits.memory of its service allows more.
        handles in validate: 500 PluginTooManyHandles the plugin Contoso.Widgets@<digest> failed in 'validate': it wanted more than 1000 handles. The setting limits.handles of its service allows more.
        recurse in validate: 500 PluginStackExhausted the plugin Contoso.Widgets@<digest> failed in 'validate': its stack is exhausted, it calls itself too deeply.
        panic in validate: 500 PluginTrapped the plugin Contoso.Widgets@<digest> failed in 'validate': wasm trap: wasm `unreachable` instruction executed; ... the fixture was asked to panic.
        trap in validate: 500 PluginTrapped the plugin Contoso.Widgets@<digest> failed in 'validate': wasm trap: wasm `unreachable` instruction executed.
        big in validate: 500 PluginOutOfMemory the plugin Contoso.Widgets@<digest> failed in 'validate': it wanted more than 64 MiB of memory. The setting limits.memory of its service allows more.
        garbage in validate: 500 PluginAnswerInvalid the plugin Contoso.Widgets@<digest> returned a document that is no JSON: expected ident at line 1 column 2
        flood-log in validate: 201
        flood-stderr in validate: 201
        flood-resp in validate: 504 PluginTimedOut the plugin Contoso.Widgets@<digest> did not answer 'validate' within 3 s and was stopped. The setting limits.call-seconds of its service allows more.
        block in validate: 504 PluginTimedOut the plugin Contoso.Widgets@<digest> did not answer 'validate' within 3 s and was stopped. The setting limits.call-seconds of its service allows more.
        40 MB in validate: 500 PluginAnswerTooLarge the plugin Contoso.Widgets@<digest> failed in 'validate': it handed over more than 9 MiB at once. The setting limits.answer of its service allows more.
        loop in rotate: 504 PluginTimedOut the plugin Contoso.Widgets@<digest> did not answer 'invoke' within 4 s and was stopped. The setting limits.effect-seconds of its service allows more.
        flood-resp in rotate: 504 PluginTimedOut the plugin Contoso.Widgets@<digest> did not answer 'invoke' within 4 s and was stopped. The setting limits.effect-seconds of its service allows more.
        block in rotate: 504 PluginTimedOut the plugin Contoso.Widgets@<digest> did not answer 'invoke' within 4 s and was stopped. The setting limits.effect-seconds of its service allows more.
        panic in rotate: 500 PluginTrapped the plugin Contoso.Widgets@<digest> failed in 'invoke': wasm trap: wasm `unreachable` instruction executed; ... the fixture was asked to panic.
        garbage in rotate: 500 PluginAnswerInvalid the plugin Contoso.Widgets@<digest> answered with a body that is no JSON: expected ident at line 1 column 2
        40 MB in secret: 500 PluginAnswerTooLarge the plugin Contoso.Widgets@<digest> failed in 'invoke': it handed over more than 9 MiB at once. The setting limits.answer of its service allows more.
        loop in present: 504 PluginTimedOut the plugin Contoso.Widgets@<digest> did not answer 'present' within 3 s and was stopped. The setting limits.call-seconds of its service allows more.
        loop in present, again: 404 ResourceNotFound The Resource 'Contoso.Widgets/widgets/shown-loop' under resource group 'my-rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix
        trap in present: 500 PluginTrapped the plugin Contoso.Widgets@<digest> failed in 'present': wasm trap: wasm `unreachable` instruction executed.
        trap in present, again: 404 ResourceNotFound The Resource 'Contoso.Widgets/widgets/shown-trap' under resource group 'my-rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix
        garbage in present: 500 PluginAnswerInvalid the plugin Contoso.Widgets@<digest> returned a document that is no JSON: expected ident at line 1 column 2
        garbage in present, again: 404 ResourceNotFound The Resource 'Contoso.Widgets/widgets/shown-garbage' under resource group 'my-rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"#]].assert_eq(&lines.join("\n"));
    let grown = served.megabytes_resident().saturating_sub(at_first);
    assert!(grown < 512, "the process has grown by {grown} MB");

    let log = served.0.log_text();
    let written = log.lines().filter(|line| line.contains("flood 0")).count();
    assert!((1..=1000).contains(&written), "{written} lines of the flood");
    assert!(log.contains("left out of the plugin's log"), "{log}");
    assert!(log.lines().any(|line| line.contains("PluginTimedOut") && line.contains("Contoso.Widgets@")), "{log}");
    neighbour.check();
}

#[test]
fn a_reconcile_that_misbehaves_fails_its_own_resource() {
    let served = Served::with(&[fixture::revision(json!({ "api_versions": [VERSION] }))], WIDGETS);
    let neighbour = Neighbour::of(&served);
    let bad = |word: &str| served.resource("Contoso.Widgets/widgets", &format!("bad-{word}"));
    let words = ["panic", "loop", "memory", "garbage"];
    // Beside each other: each is tried as often as a reconcile may fail.
    let operations = words.map(|word| {
        let created = bad(word).put(&widget(json!({ "misbehave": word, "misbehaveIn": "reconcile" }))).expect(201);
        created.header("azure-asyncoperation").unwrap().to_owned()
    });
    let lines: Vec<String> = words
        .iter()
        .zip(&operations)
        .map(|(word, operation)| {
            bad(word).settled("Failed");
            let Answer { headers, body, .. } = served.0.arm().get(operation).expect(200);
            assert_eq!(body["status"], "Failed");
            format!("{word}: {}", summary(&Answer { status: 500, headers, body }))
        })
        .collect();
    expect![[r#"
        panic: 500 PluginTrapped the plugin Contoso.Widgets@<digest> failed in 'reconcile': wasm trap: wasm `unreachable` instruction executed; ... the fixture was asked to panic.
        loop: 500 PluginTimedOut the plugin Contoso.Widgets@<digest> did not answer 'reconcile' within 4 s and was stopped. The setting limits.effect-seconds of its service allows more.
        memory: 500 PluginOutOfMemory the plugin Contoso.Widgets@<digest> failed in 'reconcile': it wanted more than 64 MiB of memory. The setting limits.memory of its service allows more.
        garbage: 500 PluginAnswerInvalid the plugin Contoso.Widgets@<digest> returned a document that is no JSON object"#]].assert_eq(&lines.join("\n"));
    let good = served.resource("Contoso.Widgets/widgets", "good");
    good.put(&widget(json!({ "waits": 2 }))).expect(201);
    assert_eq!(good.settled("Succeeded").body["properties"]["readyBy"], "1.0.0");
    for word in words {
        bad(word).remove();
    }
    neighbour.check();
}

#[test]
fn a_plugin_whose_steps_hang_has_only_its_own_places() {
    let settings =
        [("FLOCI_AZ_SERVICES_WIDGETS_LIMITS_EFFECT_SECONDS", "3600"), ("FLOCI_AZ_SERVICES_TOOLS_GRANTS_RESP", "true")];
    let tools = json!({ "namespace": "Contoso.Tools", "service": "tools", "api_versions": [VERSION] });
    let components = [fixture::revision(json!({ "api_versions": [VERSION] })), fixture::revision(tools)];
    let mut served = Served::with(&components, &settings);
    // More than the gateway takes steps at a time of one plugin; none of them ends before this test does.
    for index in 0..40 {
        let hanging = served.resource("Contoso.Widgets/widgets", &format!("hanging-{index}"));
        hanging.put(&widget(json!({ "misbehave": "block", "misbehaveIn": "reconcile" }))).expect(201);
    }
    let other = served.resource("Contoso.Tools/widgets", "other");
    other.put(&widget(json!({ "waits": 3 }))).expect(201);
    other.settled("Succeeded");
    assert_eq!(served.resource("Contoso.Widgets/widgets", "hanging-39").get().state(), "Creating");
    // And none of them keeps the gateway from ending.
    served.0.terminate();
    assert!(served.0.log_text().contains("the next start goes on with them"), "{}", served.0.log_text());
}

#[test]
fn a_creation_that_hangs_holds_no_group() {
    let component = fixture::revision(json!({ "api_versions": [VERSION] }));
    let served = Served::with(&[component], &[("FLOCI_AZ_SERVICES_WIDGETS_LIMITS_CALL_SECONDS", "20")]);
    let group = "/subscriptions/my-sub/resourceGroups/of-its-own";
    let hanging = served.0.arm().cache_at(&format!("{group}/providers/Contoso.Widgets/widgets/hanging"));
    let cache = served.0.arm().cache_at(&format!("{group}/providers/Microsoft.Cache/redis/in-a-group-of-its-own"));
    thread::scope(|scope| {
        let asked = scope.spawn(|| hanging.put(&widget(json!({ "misbehave": "block" }))));
        served.wait_for_a_call();
        // The group is made by another creation in it, changed, and taken into.
        cache.put(&quickstart()).expect(201);
        let url = format!("{group}?api-version=2021-04-01");
        let tags = json!({ "tags": { "a": "b" } }).to_string();
        served.0.arm().send("PATCH", &url, Some(tags.as_bytes())).expect(200);
        let another = format!("{group}/providers/Microsoft.Cache/redis/another-in-that-group");
        served.0.arm().cache_at(&another).put(&quickstart()).expect(201);
        assert!(!asked.is_finished(), "all of this while a creation in the group hangs");
        assert_eq!(asked.join().unwrap().code(), "PluginTimedOut");
    });
    let names = served.0.arm().get(&format!("{group}?api-version=2021-04-01")).expect(200).body;
    assert_eq!(names["name"], "of-its-own");
}

#[test]
fn a_plugin_whose_calls_hang_has_only_its_own_places() {
    let settings = [
        ("FLOCI_AZ_SERVICES_WIDGETS_LIMITS_CONCURRENCY", "2"),
        ("FLOCI_AZ_SERVICES_WIDGETS_LIMITS_CALL_SECONDS", "20"),
    ];
    let served = Served::with(&[fixture::revision(json!({ "api_versions": [VERSION] }))], &settings);
    let neighbour = Neighbour::of(&served);
    let put =
        |name: &str| served.resource("Contoso.Widgets/widgets", name).put(&widget(json!({ "misbehave": "block" })));
    let answers: Vec<Answer> = thread::scope(|scope| {
        let asked: Vec<_> = ["a", "b", "c"].map(|name| scope.spawn(move || put(name))).into();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (busy, hung): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 503);
    let [busy] = busy[..] else { panic!("{answers:?}") };
    assert_eq!(busy.header("retry-after"), Some("1"));
    expect!["503 ServerBusy the plugin Contoso.Widgets@<digest> was not called for 'validate': its own 2 places for calls were taken for 10 s. Try again, or allow more by the setting limits.concurrency."].assert_eq(&summary(busy));
    assert!(hung.iter().all(|answer| answer.code() == "PluginTimedOut"), "{hung:?}");
    neighbour.check();
}

/// Grows until it is refused, and traps.
const GROW_TABLE: &str = "(loop $more (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable";
/// Two memories, one after the other: what one has is missing to the other.
const GROW_MEMORIES: &str = "(loop $more (br_if $more (i32.and \
    (i32.ne (memory.grow $other (i32.const 16)) (i32.const -1)) \
    (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))) unreachable";
/// A list of 65536 texts, all of them the same 64 KiB: 4 GiB to copy, of 640 KiB of memory.
const ONE_TEXT_MANY_TIMES: &str = "(local $at i32) (local.set $at (i32.const 131072)) \
    (drop (memory.grow (i32.const 16))) \
    (loop $more (i32.store (local.get $at) (i32.const 0)) \
    (i32.store offset=4 (local.get $at) (i32.const 65536)) \
    (local.set $at (i32.add (local.get $at) (i32.const 8))) \
    (br_if $more (i32.lt_u (local.get $at) (i32.const 655360)))) \
    (memory.fill (i32.const 0) (i32.const 97) (i32.const 65536)) \
    (i32.store (i32.const 700000) (i32.const 131072)) (i32.store (i32.const 700004) (i32.const 65536)) \
    (i32.const 700000)";

#[test]
fn what_no_compiler_makes_is_contained_too() {
    let table = Raw { name: "Table", fields: "(table $table 1 funcref)", validate: GROW_TABLE, ..Raw::default() };
    let memories = Raw { name: "Memories", fields: "(memory $other 1)", validate: GROW_MEMORIES, ..Raw::default() };
    let texts = Raw { name: "Texts", present: ONE_TEXT_MANY_TIMES, ..Raw::default() };
    let served = Served::with(&[table, memories, texts].map(|raw| raw.component()), &[]);
    let neighbour = Neighbour::of(&served);
    let thing = |namespace: &str| served.resource(&format!("Contoso.{namespace}/things"), "a");
    let at_first = served.megabytes_resident();
    let (text, body) = (thing("Texts"), json!({ "location": "westus" }));
    let answers = [thing("Table").put(&body), thing("Memories").put(&body), text.put(&body), text.get()];
    expect![[r#"
        500 PluginTableTooLarge the plugin Contoso.Table@<digest> failed in 'validate': it wanted a table of more than 20000 elements.
        500 PluginOutOfMemory the plugin Contoso.Memories@<digest> failed in 'validate': it wanted more than 64 MiB of memory. The setting limits.memory of its service allows more.
        201
        500 PluginAnswerTooLarge the plugin Contoso.Texts@<digest> failed in 'present': it handed over more than 9 MiB at once. The setting limits.answer of its service allows more."#]].assert_eq(&answers.each_ref().map(summary).join("\n"));
    let grown = served.megabytes_resident().saturating_sub(at_first);
    assert!(grown < 512, "the process has grown by {grown} MB");
    neighbour.check();
}

#[test]
fn a_page_may_be_larger_than_an_answer() {
    let component = fixture::revision(json!({ "api_versions": [VERSION], "present": true }));
    let served = Served::with(&[component], &[("FLOCI_AZ_SERVICES_WIDGETS_LIMITS_ANSWER", "1mb")]);
    // 50 of them are less than that, all of them are more.
    let color = "r".repeat(17_000);
    for index in 0..70 {
        let widget = widget(json!({ "color": color }));
        served.resource("Contoso.Widgets/widgets", &format!("w{index}")).put(&widget).expect(201);
    }
    let list = "/subscriptions/my-sub/resourceGroups/my-rg/providers/Contoso.Widgets/widgets";
    let page = served.0.arm().get(&format!("{list}?api-version={VERSION}&$top=100")).expect(200).body;
    let values = page["value"].as_array().unwrap();
    assert_eq!(values.len(), 70);
    assert!(values.iter().all(|one| one["properties"]["shownBy"] == "1.0.0"));
}

#[test]
fn what_asks_for_too_much_is_not_loaded() {
    let served = Served::with(&[], &[]);
    let neighbour = Neighbour::of(&served);
    let load = |what: &str, bytes: &[u8]| {
        let refused = served.0.arm().install("", bytes).expect(400);
        format!("{what}: {} {}", refused.code(), refused.message().replace(Digest::of(bytes).short(), "<digest>"))
    };
    let many = |field: &str, count: usize| field.repeat(count);
    let of = |fields: &str| Raw { fields, ..Raw::default() }.component();
    let describing = |describe: &str| {
        let fields = "(table $table 1 funcref) (memory $other 1)";
        Raw { fields, describe, ..Raw::default() }.component()
    };
    let lines = [
        load("memories", &of(&many("(memory 1)", 5))),
        load("tables", &of(&many("(table 1 funcref)", 20))),
        load("a table", &of("(table 30000 funcref)")),
        load("a memory", &of("(memory 2000)")),
        load("tables that grow", &describing(GROW_TABLE)),
        load("memories that grow", &describing(GROW_MEMORIES)),
        load("describe traps", &fixture::revision(json!({ "describe": "trap" }))),
        load("describe loops", &fixture::revision(json!({ "describe": "loop" }))),
        load("describe says no JSON", &fixture::revision(json!({ "describe": "garbage" }))),
    ];
    expect![[r#"
        memories: PluginTooBig the plugin <digest> is too big: it needs 6 memories, and a plugin may have 2. Build it with less
        tables: PluginTooBig the plugin <digest> is too big: it needs 20 tables, and a plugin may have 8. Build it with less
        a table: PluginTooBig the plugin <digest> is too big: it needs 30000 elements in one table, and a plugin may have 20000. Build it with less
        a memory: DescribeFailed the plugin <digest> did not describe itself: the plugin <digest> failed in 'describe': it wanted more than 64 MiB of memory. It is asked for its manifest under the default limits: look at its manifest function
        tables that grow: DescribeFailed the plugin <digest> did not describe itself: the plugin <digest> failed in 'describe': it wanted a table of more than 20000 elements. It is asked for its manifest under the default limits: look at its manifest function
        memories that grow: DescribeFailed the plugin <digest> did not describe itself: the plugin <digest> failed in 'describe': it wanted more than 64 MiB of memory. It is asked for its manifest under the default limits: look at its manifest function
        describe traps: DescribeFailed the plugin <digest> did not describe itself: the plugin <digest> failed in 'describe': wasm trap: wasm `unreachable` instruction executed. It is asked for its manifest under the default limits: look at its manifest function
        describe loops: DescribeFailed the plugin <digest> did not describe itself: the plugin <digest> did not answer 'describe' within 10 s and was stopped. It is asked for its manifest under the default limits: look at its manifest function
        describe says no JSON: InvalidManifest the manifest of the plugin <digest> is not valid: expected ident at line 1 column 2"#]].assert_eq(&lines.join("\n"));
    // It is the rest that was wrong.
    served.0.arm().install("", &raw::component(&Raw::default().module())).expect(200);
    neighbour.check();
}
