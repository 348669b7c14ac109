//! A real folder, and an installer that remembers what it was given. Components are texts: `namespace` and anything.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;

use expect_test::expect;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::config::PluginFiles;
use crate::rollout::{Outcome, RevisionView};

/// Changes are heard of, or the tests would end after an hour.
const HEARD: Pace = Pace {
    settle: Duration::from_millis(40),
    rescan: Duration::from_secs(3600),
    coalesce: Duration::from_millis(1),
    start: Duration::from_secs(60),
};
/// For what has to happen, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Default, PartialEq)]
struct Seen {
    /// File and content, in order.
    installed: Vec<(String, String)>,
    checked: usize,
    refused: Vec<String>,
    plugins: BTreeMap<String, Vec<RevisionView>>,
}

#[derive(Debug, Clone)]
struct Fake(Arc<watch::Sender<Seen>>);

impl Fake {
    fn new() -> Fake {
        Fake(Arc::new(watch::Sender::new(Seen::default())))
    }

    fn seen(&self) -> Seen {
        self.0.borrow().clone()
    }

    async fn until(&self, what: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.0.subscribe();
        let found = tokio::time::timeout(PATIENCE, seen.wait_for(what)).await;
        found.unwrap_or_else(|_| panic!("{:?}", self.seen())).unwrap().clone()
    }

    async fn until_last(&self, file: &str, content: &str) -> Seen {
        self.until(|seen| seen.installed.last() == Some(&(file.to_owned(), content.to_owned()))).await
    }

    fn outcome(package: &Package) -> Result<Outcome, String> {
        let content = String::from_utf8(package.bytes.to_vec()).unwrap();
        let namespace = content.split(' ').next().unwrap_or_default();
        if namespace == "bad" || !content.contains(' ') {
            return Err(format!("'{content}' is no component"));
        }
        let revision = RevisionView {
            digest: Digest::of(&package.bytes),
            state: "Active".into(),
            version: "1".into(),
            contract: "0.1.0".into(),
            origin: package.origin.clone(),
            installed: "2026-01-01T00:00:00Z".into(),
            served: Some(String::new()),
            note: None,
            schemas: Vec::new(),
            asks: Vec::new(),
            allowed: Vec::new(),
        };
        Ok(Outcome {
            namespace: namespace.to_owned(),
            service: namespace.to_owned(),
            revision,
            replaced: None,
            converted: 0,
            notes: Vec::new(),
        })
    }
}

impl Installer for Fake {
    type Error = String;

    async fn install(&self, package: Package, then: Then) -> Result<Outcome, String> {
        assert_eq!(then, Then::Swap);
        let Origin::File(path) = &package.origin else { panic!("{}", package.origin) };
        let (file, content) = (name(path), String::from_utf8(package.bytes.to_vec()).unwrap());
        let outcome = Fake::outcome(&package);
        self.0.send_modify(|seen| match &outcome {
            Ok(outcome) => {
                seen.plugins.entry(outcome.namespace.clone()).or_default().insert(0, outcome.revision.clone());
                seen.installed.push((file, content));
            }
            Err(_) => seen.refused.push(file),
        });
        outcome
    }

    async fn check(&self, package: Package) -> Result<Outcome, String> {
        self.0.send_modify(|seen| seen.checked += 1);
        Fake::outcome(&package)
    }

    fn list(&self) -> Vec<PluginView> {
        let view = |(namespace, revisions): (String, Vec<RevisionView>)| PluginView {
            service: namespace.clone(),
            active: revisions.first().map(|revision| revision.digest.clone()),
            namespace,
            revisions,
            resources: 0,
            settings: Vec::new(),
        };
        self.seen().plugins.into_iter().map(view).collect()
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// A folder that is watched.
struct Watched {
    folder: TempDir,
    fake: Fake,
    closing: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Watched {
    async fn start(folder: TempDir, pace: Pace, fake: Fake, files: PluginFiles) -> Watched {
        let mut watched = Folder::open(folder.path(), Intake::new(&files).unwrap(), pace).unwrap();
        watched.begin(&fake).await;
        let (closing, closed) = watch::channel(false);
        let task = tokio::spawn(watched.watch(fake.clone(), closed));
        Watched { folder, fake, closing, task }
    }

    async fn empty() -> Watched {
        Watched::start(tempfile::tempdir().unwrap(), HEARD, Fake::new(), PluginFiles::default()).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As careful programs do it: the file appears whole.
    fn put(&self, name: &str, content: &str) {
        fs::write(self.path(".new"), content).unwrap();
        fs::rename(self.path(".new"), self.path(name)).unwrap();
    }

    /// When this returns, whatever was done to the folder before has been seen. It takes a namespace of its own.
    async fn settled(&self, mark: &str) -> Seen {
        self.put("zzz.wasm", &format!("mark {mark}"));
        self.fake.until_last("zzz.wasm", &format!("mark {mark}")).await
    }

    async fn end(self) -> TempDir {
        self.closing.send_replace(true);
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
        self.folder
    }
}

fn files(seen: &Seen) -> Vec<String> {
    seen.installed.iter().map(|(file, content)| format!("{file}: {content}")).collect()
}

#[tokio::test]
async fn what_is_there_at_the_start_is_installed_in_the_order_of_names() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in
        [("c.wasm", "three 1"), ("a.wasm", "one 1"), ("b.wasm", "bad"), (".d.wasm", "x 1"), ("e.tmp", "x 1")]
    {
        fs::write(folder.path().join(name), content).unwrap();
    }
    fs::create_dir(folder.path().join("f.wasm")).unwrap();
    let mut watched = Folder::open(folder.path(), Intake::new(&PluginFiles::default()).unwrap(), HEARD).unwrap();
    let fake = Fake::new();
    watched.begin(&fake).await;
    assert_eq!(files(&fake.seen()), ["a.wasm: one 1", "c.wasm: three 1"]);
}

#[tokio::test]
async fn a_changed_file_takes_the_place_of_what_was_and_the_same_one_is_not_installed_twice() {
    let watched = Watched::empty().await;
    watched.put("a.wasm", "one 1");
    watched.fake.until_last("a.wasm", "one 1").await;
    watched.put("a.wasm", "one 2");
    watched.fake.until_last("a.wasm", "one 2").await;
    // The same again, by the same name and by another; gone, and here again.
    watched.put("a.wasm", "one 2");
    watched.settled("1").await;
    fs::rename(watched.path("a.wasm"), watched.path("b.wasm")).unwrap();
    watched.settled("2").await;
    fs::remove_file(watched.path("b.wasm")).unwrap();
    watched.settled("3").await;
    watched.put("a.wasm", "one 2");
    let seen = watched.settled("4").await;
    let ours: Vec<_> = files(&seen).into_iter().filter(|line| !line.starts_with("zzz")).collect();
    assert_eq!(ours, ["a.wasm: one 1", "a.wasm: one 2"]);
    // What was before is something else than what is.
    watched.put("a.wasm", "one 1");
    watched.fake.until_last("a.wasm", "one 1").await;
    watched.end().await;
}

#[tokio::test]
async fn what_was_forgotten_is_installed_again() {
    let watched = Watched::empty().await;
    watched.put("a.wasm", "one 1");
    watched.fake.until_last("a.wasm", "one 1").await;
    watched.fake.0.send_modify(|seen| seen.plugins.clear());
    watched.put("a.wasm", "one 1");
    watched.fake.until(|seen| seen.installed.len() == 2).await;
    watched.end().await;
}

#[tokio::test]
async fn a_refused_file_is_tried_once_until_it_changes() {
    let watched = Watched::empty().await;
    watched.put("a.wasm", "bad");
    watched.fake.until(|seen| seen.refused == ["a.wasm"]).await;
    watched.settled("1").await;
    let seen = watched.settled("2").await;
    assert_eq!(seen.refused, ["a.wasm"]);
    watched.put("a.wasm", "one 1");
    watched.fake.until_last("a.wasm", "one 1").await;
    watched.end().await;
}

#[tokio::test]
async fn two_files_of_one_namespace_are_one_too_many() {
    let watched = Watched::empty().await;
    watched.put("a.wasm", "one 1");
    watched.fake.until_last("a.wasm", "one 1").await;
    watched.put("b.wasm", "ONE 2");
    watched.fake.until(|seen| seen.checked == 1).await;
    assert_eq!(files(&watched.fake.seen()), ["a.wasm: one 1"]);
    // The namespace is free when the first file is gone, or of another one.
    fs::remove_file(watched.path("a.wasm")).unwrap();
    watched.fake.until_last("b.wasm", "ONE 2").await;
    watched.put("c.wasm", "one 3");
    watched.fake.until(|seen| seen.checked == 2).await;
    watched.put("b.wasm", "two 1");
    watched.fake.until_last("c.wasm", "one 3").await;
    let expected = ["a.wasm: one 1", "b.wasm: ONE 2", "b.wasm: two 1", "c.wasm: one 3"];
    assert_eq!(files(&watched.fake.seen()), expected);
    watched.end().await;
}

#[tokio::test]
async fn what_was_done_by_other_means_outlives_a_restart() {
    let watched = Watched::empty().await;
    watched.put("a.wasm", "one 1");
    watched.fake.until_last("a.wasm", "one 1").await;
    watched.put("a.wasm", "one 2");
    watched.fake.until_last("a.wasm", "one 2").await;
    let fake = watched.fake.clone();
    let folder = watched.end().await;
    let watched = Watched::start(folder, HEARD, fake, PluginFiles::default()).await;
    assert_eq!(watched.settled("1").await.installed.len(), 3, "{:?}", watched.fake.seen());
    let fake = watched.fake.clone();
    let folder = watched.end().await;
    fs::write(folder.path().join("a.wasm"), "one 1").unwrap();
    let watched = Watched::start(folder, HEARD, fake, PluginFiles::default()).await;
    assert_eq!(watched.fake.seen().installed.last().unwrap().1, "one 1");
    watched.end().await;
}

/// `plugin.wasm` leads to `..data/plugin.wasm`, and `..data` to the folder of the version: an update moves that one link.
#[tokio::test]
async fn files_mounted_as_kubernetes_does_it_are_followed() {
    let watched = Watched::empty().await;
    for version in ["1", "2"] {
        fs::create_dir(watched.path(&format!("..{version}"))).unwrap();
        fs::write(watched.path(&format!("..{version}/a.wasm")), format!("one {version}")).unwrap();
    }
    symlink("..1", watched.path("..data")).unwrap();
    symlink("..data/a.wasm", watched.path("a.wasm")).unwrap();
    symlink("nowhere", watched.path("b.wasm")).unwrap();
    watched.fake.until_last("a.wasm", "one 1").await;
    symlink("..2", watched.path("..data_tmp")).unwrap();
    fs::rename(watched.path("..data_tmp"), watched.path("..data")).unwrap();
    watched.fake.until_last("a.wasm", "one 2").await;
    watched.end().await;
}

#[tokio::test]
async fn a_signature_that_comes_later_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pub");
    let signer = crate::sources::signature::tests::Signer::new();
    fs::write(&key, signer.public_pem()).unwrap();
    let files_of_plugins = PluginFiles { folder: None, signature_key: Some(key) };
    let watched = Watched::start(folder, HEARD, Fake::new(), files_of_plugins).await;
    let mark = |mark: &str| {
        let content = format!("mark {mark}");
        fs::write(watched.path("zzz.wasm.sig"), signer.sign(content.as_bytes())).unwrap();
        watched.put("zzz.wasm", &content);
        content
    };
    watched.put("a.wasm", "one 1");
    let content = mark("1");
    watched.fake.until_last("zzz.wasm", &content).await;
    fs::write(watched.path("a.wasm.sig"), signer.sign(b"one 2")).unwrap();
    let content = mark("2");
    watched.fake.until_last("zzz.wasm", &content).await;
    assert_eq!(watched.fake.seen().installed.len(), 2, "{:?}", watched.fake.seen());
    fs::write(watched.path("a.wasm.sig"), signer.sign(b"one 1")).unwrap();
    watched.fake.until_last("a.wasm", "one 1").await;
    watched.end().await;
}

#[tokio::test]
async fn where_nothing_is_heard_changes_are_looked_for_and_a_folder_may_go_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugins");
    fs::create_dir(&path).unwrap();
    let pace = Pace { rescan: Duration::from_millis(10), ..HEARD };
    let mut watched = Folder::open(&path, Intake::new(&PluginFiles::default()).unwrap(), pace).unwrap();
    watched.watcher = None;
    let (fake, (closing, closed)) = (Fake::new(), watch::channel(false));
    let task = tokio::spawn(watched.watch(fake.clone(), closed));
    fs::write(path.join("a.wasm"), "one 1").unwrap();
    fake.until_last("a.wasm", "one 1").await;
    fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    fs::write(folder.path().join("elsewhere/a.wasm"), "one 2").unwrap();
    fs::rename(folder.path().join("elsewhere"), &path).unwrap();
    fake.until_last("a.wasm", "one 2").await;
    closing.send_replace(true);
    task.await.unwrap();
}

#[test]
fn a_folder_that_is_none_stops_the_start() {
    let open = |path: &Path| {
        let opened = Folder::open(path, Intake::new(&PluginFiles::default()).unwrap(), HEARD);
        opened.unwrap_err().to_string()
    };
    expect!["plugins.folder is /nowhere/plugins, and that is no folder that can be read: No such file or directory (os error 2). Make it, or set plugins.folder to one that is there"].assert_eq(&open(Path::new("/nowhere/plugins")));
    expect!["plugins.folder is /etc/passwd, and that is no folder that can be read: Not a directory (os error 20). Make it, or set plugins.folder to one that is there"].assert_eq(&open(Path::new("/etc/passwd")));
}

/// Something that a program may do to the file, or beside it.
#[derive(Debug, Clone)]
enum Act {
    Append(u8),
    Truncate,
    Replace,
    Beside,
    Remove,
    /// Milliseconds: shorter and longer than it takes a file to settle.
    Pause(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => any::<u8>().prop_map(Act::Append),
        1 => Just(Act::Truncate),
        1 => Just(Act::Replace),
        1 => Just(Act::Beside),
        1 => Just(Act::Remove),
        2 => (0..80_u64).prop_map(Act::Pause),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn however_a_file_is_written_its_last_content_is_what_is_installed(acts in proptest::collection::vec(act(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let watched = Watched::empty().await;
            let path = watched.path("a.wasm");
            for act in &acts {
                match act {
                    Act::Append(byte) => {
                        let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
                        write!(file, "one {byte} ").unwrap();
                    }
                    Act::Truncate => fs::write(&path, "").unwrap(),
                    Act::Replace => watched.put("a.wasm", "one replaced "),
                    Act::Beside => fs::write(watched.path("a.wasm.part"), "one beside").unwrap(),
                    Act::Remove => drop(fs::remove_file(&path)),
                    // What a writer takes, not what is waited for.
                    Act::Pause(milliseconds) => sleep(Duration::from_millis(*milliseconds)).await,
                }
            }
            let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
            file.write_all(b"one end").unwrap();
            let whole = fs::read_to_string(&path).unwrap();
            let seen = watched.fake.until_last("a.wasm", &whole).await;
            assert!(seen.installed.iter().all(|(file, _)| file == "a.wasm"), "{seen:?}");
            // And it stays so.
            let seen = watched.settled("end").await;
            assert_eq!(seen.installed.iter().filter(|(_, content)| *content == whole).count(), 1, "{seen:?}");
            watched.end().await;
        });
    }
}
