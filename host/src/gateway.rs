//! The gateway's life: put together, started, run until told to end, ended.
//!
//! The order of the start is the order of trust: the port is bound first, so that of two gateways with the same
//! settings one stops before it touches anything; orphans are removed before the first request can claim their names.
//! At the end requests and steps under way are awaited, then workloads are stopped (their data is kept) or, where
//! nothing is kept, removed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::join_all;
use rustls::ServerConfig;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

use crate::admin::{Admin, AdminToken, PluginAdmin, TokenError};
use crate::arm::{
    FrontDoor, Groups, Inventory, Key, Locks, Others, Policy, ResourceId, RouteConflict, Routes, Strictness,
    Subscriptions,
};
use crate::browser::Guard;
use crate::config::{self, ConfigError, Presence, Sources, Storage, Tls};
use crate::doors::Doors;
use crate::folders::{FolderError, Folders, remove_unfinished};
use crate::identity::Identity;
use crate::identity::ca::{CertificateError, Certificates, Names, OldestTls};
use crate::imports::{Lender, Tally};
use crate::ingress::{Ingress, IngressError, Shared};
use crate::plugin::{Compiled, Engine, LoadError, Plugins, bundled, suffixes};
use crate::ports::Ports;
use crate::reconcile::{FINISHING, Reconciler};
use crate::rollout::{Archive, Begun, Rollout, RolloutError, shared_ports};
use crate::runtime::{Picked, Runtime, RuntimeError, WorkloadKey};
use crate::server::{Limits, PROTOCOLS, Server};
use crate::sources::{Folder, Intake, Pace, SourceError};
use crate::state::{Batch, Contents, Store, StoreError, Table};
use crate::telemetry::{Event, Telemetry};

/// What says how the other tables are to be read.
const META: Table = Table("meta");
const FORMAT_KEY: &str = "format";
const RUNTIME_KEY: &str = "runtime";
/// Changes whenever rows that an earlier gateway wrote cannot be read as they are.
const FORMAT: &str = "3";

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("port {} of {} cannot be listened on: {reason}. Stop what listens there, or set another port (FLOCI_AZ_PORT)", address.port(), address.ip())]
    Bind { address: SocketAddr, reason: io::Error },
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(
        "the state is of format '{found}', and this gateway reads format '{FORMAT}'. Start the gateway that wrote it, or set another folder (FLOCI_AZ_STORAGE_PERSISTENT_PATH)"
    )]
    Format { found: String },
    #[error(
        "the plugins cannot be started: {0}. Start the gateway that wrote the state, or set another folder (FLOCI_AZ_STORAGE_PERSISTENT_PATH)"
    )]
    Rollout(#[from] RolloutError),
    #[error(
        "the servers and the data of the resources in this state folder are with the runtime '{before}', and this start would use '{now}'. Make '{before}' available (FLOCI_AZ_RUNTIME={before} says what it lacks), or set another folder (FLOCI_AZ_STORAGE_PERSISTENT_PATH)"
    )]
    OtherRuntime { before: String, now: &'static str },
    #[error(transparent)]
    State(#[from] StoreError),
    #[error(transparent)]
    Engine(#[from] LoadError),
    #[error(transparent)]
    Routes(#[from] RouteConflict),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    AdminToken(#[from] TokenError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Ingress(#[from] IngressError),
}

/// A gateway that has bound its port and read its state, and serves once it is run.
#[derive(Debug)]
pub struct Gateway {
    server: Server,
    /// None if TLS is off; so is the next.
    certificates: Option<Arc<Certificates>>,
    tls: Option<Arc<ServerConfig>>,
    folders: Folders,
    storage: Storage,
    plugins: Arc<Plugins>,
    lender: Arc<Lender>,
    /// What the reconcile loop is to look at.
    woken: mpsc::UnboundedReceiver<Key>,
    routes: Routes,
    rollout: Arc<Rollout>,
    locks: Arc<Locks>,
    /// None if there is no plugins folder.
    folder: Option<Folder>,
    intake: Arc<Intake>,
    admin_token: AdminToken,
    policy: Policy,
    guard: Guard,
    identity: Arc<Identity>,
    address: SocketAddr,
    /// Why the runtime is this one.
    reason: String,
    engine: Engine,
    telemetry: Arc<Telemetry>,
}

impl Gateway {
    pub async fn start(sources: &Sources) -> Result<Gateway, StartError> {
        let gateway = sources.gateway()?;
        let address = SocketAddr::new(gateway.bind_address, gateway.port);
        let bind = |reason| StartError::Bind { address, reason };
        let server = Server::bind(address, Limits::default()).await.map_err(bind)?;
        let address = server.address().map_err(bind)?;
        let folders = Folders::make(&gateway.storage, address)?;
        let admin_token = AdminToken::open(folders.state.as_deref())?;
        let intake = Intake::new(&gateway.plugins)?;
        let (store, mut contents, last_runtime) = open(&folders).await?;
        let certificates = certificates(&gateway, &folders)?;
        let tls = certificates.as_ref().map(|certificates| certificates.server_config(&PROTOCOLS, OldestTls::V12));

        let telemetry = Arc::new(Telemetry::default());
        let inventory = Arc::new(Inventory::open(store.clone(), &mut contents)?.reporting(telemetry.clone()));
        let engine = Engine::new()?.reporting(telemetry.clone());
        let (compiled, rows) = (compiled(&folders), contents.take(Rollout::TABLE));
        telemetry.publish(Event::GatewayStarted { version: env!("CARGO_PKG_VERSION").to_owned() });
        let mut begun = Begun::new(engine.clone(), compiled, archive(&folders), rows, bundled(), &inventory).await?;
        let plugins = begun.plugins.clone();
        let settings = sources.resolve(&plugins.settings())?;
        if !settings.aside().is_empty() {
            let settings = settings.aside().join(", ");
            tracing::warn!(settings, "no plugin serves these services; their settings are read when one is installed");
        }
        begun.configure(&settings);
        let programs: Vec<Vec<String>> =
            plugins.now().iter().map(|entry| entry.revision.manifest().programs.clone()).collect();
        let Picked { runtime, reason } =
            Runtime::pick(gateway.runtime, &folders.instance, &folders.workloads, &programs).await?;

        let runtime = Arc::new(runtime);
        let identity = Arc::new(Identity::new(gateway.auth, folders.state.as_deref(), address.port()));
        let ingress = Ingress::new(
            gateway.bind_address,
            shared_ports(&plugins.now()),
            certificates.clone(),
            identity.clone(),
            runtime.clone(),
        )?;
        let (wake, woken) = mpsc::unbounded_channel();
        let lender = Lender {
            inventory,
            ports: Ports::open(store.clone(), &mut contents),
            runtime,
            ingress: Arc::new(ingress),
            // URLs are absolute.
            transfers: gateway.transfers.as_deref().and_then(|folder| std::path::absolute(folder).ok()),
            tally: Tally::default(),
            wake,
        };
        let lender = Arc::new(lender);
        keep_runtime(&store, &lender, last_runtime).await?;
        lender.ingress.listen().await;
        let locks = Arc::new(Locks::default());
        let rollout = Rollout::new(begun, sources.clone(), lender.clone(), locks.clone());
        let folder = match &gateway.plugins.folder {
            Some(path) => {
                let mut folder = Folder::open(path, intake.clone(), Pace::default())?;
                folder.begin(&rollout).await;
                Some(folder)
            }
            None => None,
        };
        Ok(Gateway {
            server,
            certificates,
            tls: tls.transpose()?,
            address,
            routes: Routes::new(&plugins.now())?,
            plugins,
            intake: Arc::new(intake),
            admin_token,
            rollout,
            locks,
            folder,
            lender,
            woken,
            storage: gateway.storage,
            policy: policy(gateway.arm),
            guard: Guard::new(gateway.bind_address, gateway.hostname.as_deref(), suffixes()),
            identity,
            folders,
            reason,
            engine,
            telemetry,
        })
    }

    /// Serves until `closing` is true, and ends in good order.
    pub async fn run(self, closing: watch::Receiver<bool>) {
        let Gateway { server, certificates, tls, plugins, lender, woken, telemetry, .. } = self;
        remove_orphans(&lender).await;

        let locks = self.locks;
        let reconciler = Arc::new(Reconciler::new(plugins.clone(), lender.clone(), locks.clone(), telemetry.clone()));
        let admin = Arc::new(Admin {
            plugins: plugins.clone(),
            reconciler: reconciler.clone(),
            runtime: lender.runtime.name(),
            storage: storage_name(&self.storage),
            certificates: certificates.clone(),
            lender: lender.clone(),
            engine: self.engine,
            telemetry: telemetry.clone(),
            closing: closing.clone(),
        });
        let administration =
            PluginAdmin { revisions: self.rollout.clone(), components: self.intake, token: self.admin_token };
        let door = Arc::new(FrontDoor {
            plugins,
            routes: self.routes,
            lender: lender.clone(),
            locks,
            closing: closing.clone(),
            policy: self.policy,
            writes: Arc::default(),
        });
        let renewing = certificates.map(|certificates| tokio::spawn(certificates.keep_fresh()));
        let watching = tokio::spawn(watch_workloads(lender.clone()));
        let reconciling = tokio::spawn(reconciler.run(woken, closing.clone()));
        let installing = self.folder.map(|folder| tokio::spawn(folder.watch(self.rollout.clone(), closing.clone())));
        server
            .serve(
                tls,
                Arc::new(Doors {
                    guard: self.guard,
                    admin,
                    plugins: administration,
                    identity: self.identity,
                    door: door.clone(),
                    telemetry,
                }),
                closing,
            )
            .await;
        // A change that outlived its connection still starts or ends workloads, and an install of the folder has them
        // wait. The loop bounds its steps by itself.
        let (changes, reconciled, installed) =
            tokio::join!(timeout(FINISHING, door.finish()), reconciling, ended(installing));
        if changes.is_err() {
            tracing::warn!("changes under way have not ended within {} s; they are cut off", FINISHING.as_secs());
        }
        if let Err(error) = reconciled {
            tracing::error!(%error, "the reconcile loop broke");
        }
        watching.abort();
        if let Some(error) = installed {
            tracing::error!(%error, "the watch of the plugins folder broke");
        }
        if let Some(renewing) = renewing {
            renewing.abort();
        }
        lender.ingress.end().await;
        end_workloads(&lender, &self.storage).await;
        self.folders.end();
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients have to trust, and None if there is plain HTTP only.
    pub fn certificates(&self) -> Option<&Arc<Certificates>> {
        self.certificates.as_ref()
    }

    /// The first of those that there are from the start.
    pub fn subscription(&self) -> &str {
        self.policy.subscriptions.configured.first().map_or("my-sub", String::as_str)
    }

    /// Whether a first request needs a token or a group.
    pub fn is_strict(&self) -> bool {
        self.identity.is_strict() || self.policy.groups == Groups::MustExist
    }

    /// The ports that clients of the resources share, and the settings that they are from.
    pub async fn shared_ports(&self) -> Vec<Shared> {
        self.lender.ingress.listening().await
    }

    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The runtime's name, and why it is this one.
    pub fn runtime(&self) -> (&'static str, &str) {
        (self.lender.runtime.name(), &self.reason)
    }
}

/// How a task broke, if it did; one that does not end in time is cut off.
async fn ended(task: Option<JoinHandle<()>>) -> Option<JoinError> {
    let mut task = task?;
    match timeout(FINISHING, &mut task).await {
        Ok(outcome) => outcome.err(),
        Err(_) => {
            task.abort();
            None
        }
    }
}

fn storage_name(storage: &Storage) -> &'static str {
    match storage {
        Storage::Persistent(_) => "persistent",
        Storage::Memory => "memory",
    }
}

fn compiled(folders: &Folders) -> Compiled {
    match &folders.state {
        Some(folder) => {
            let folder = folder.join("compiled");
            remove_unfinished(&folder);
            Compiled::Folder(folder)
        }
        None => Compiled::Nowhere,
    }
}

fn archive(folders: &Folders) -> Archive {
    match &folders.state {
        Some(folder) => {
            let folder = folder.join("plugins");
            remove_unfinished(&folder);
            Archive::Folder(folder)
        }
        None => Archive::in_memory(),
    }
}

/// How far the front door insists on what Azure insists on.
fn policy(arm: config::Arm) -> Policy {
    Policy {
        api_version: match arm.api_version {
            Presence::Required => Strictness::Strict,
            Presence::Optional => Strictness::Lenient,
        },
        groups: match arm.resource_group {
            Presence::Required => Groups::MustExist,
            Presence::Optional => Groups::Implied,
        },
        subscriptions: Subscriptions {
            configured: arm.subscriptions,
            others: match arm.other_subscriptions {
                Presence::Required => Others::Refused,
                Presence::Optional => Others::Accepted,
            },
        },
    }
}

/// None if TLS is off.
fn certificates(gateway: &config::Gateway, folders: &Folders) -> Result<Option<Arc<Certificates>>, CertificateError> {
    let now = SystemTime::now();
    let certificates = match &gateway.tls {
        Tls::Off => return Ok(None),
        Tls::Given { certificate, key } => Certificates::given(certificate, key, now)?,
        Tls::Made => {
            let names = Names::of(gateway.hostname.as_deref(), gateway.bind_address, suffixes());
            Certificates::open(folders.state.as_deref(), names, now)?
        }
    };
    Ok(Some(Arc::new(certificates)))
}

/// Data stays with the runtime that it was made by. A start with another one would show resources whose servers are
/// empty, and leave their real ones behind.
async fn keep_runtime(store: &Store, lender: &Lender, before: Option<String>) -> Result<(), StartError> {
    let now = lender.runtime.name();
    match before {
        Some(before) if before == now => return Ok(()),
        Some(before) if !lender.ports.is_empty().await => return Err(StartError::OtherRuntime { before, now }),
        _ => {}
    }
    Ok(store.commit(Batch::default().put(META, RUNTIME_KEY, now.as_bytes().to_vec())).await?)
}

/// The store, what is in it, and the name of the runtime of the last start.
async fn open(folders: &Folders) -> Result<(Store, Contents, Option<String>), StartError> {
    let tables: Vec<_> = Inventory::TABLES.into_iter().chain([Ports::TABLE, Rollout::TABLE, META]).collect();
    let (store, mut contents) = match &folders.state {
        Some(folder) => Store::in_file(&folder.join("state.redb"), &tables)?,
        None => Store::in_memory(&tables)?,
    };
    let mut meta = contents.take(META);
    let mut text = |key| meta.remove(key).map(|value| String::from_utf8_lossy(&value).into_owned());
    match text(FORMAT_KEY) {
        None => store.commit(Batch::default().put(META, FORMAT_KEY, FORMAT.as_bytes().to_vec())).await?,
        Some(found) if found == FORMAT => {}
        Some(found) => return Err(StartError::Format { found }),
    }
    Ok((store, contents, text(RUNTIME_KEY)))
}

/// Removes the workloads and ports of resources that are not there: what a gateway that was killed left behind.
async fn remove_orphans(lender: &Lender) {
    let is_there = |owner: &str| key(owner).is_some_and(|key| lender.inventory.get(&key).is_some());
    if let Err(error) = lender.ports.release_orphans(is_there).await {
        tracing::warn!(%error, "ports of resources that are gone could not be released");
    }
    let found = match lender.runtime.list().await {
        Ok(found) => found,
        Err(error) => return tracing::warn!(%error, "workloads of earlier runs could not be looked for"),
    };
    remove(lender, found.into_iter().filter(|workload| !is_there(&workload.owner)).collect()).await;
}

async fn remove(lender: &Lender, workloads: Vec<WorkloadKey>) {
    let removals = workloads.iter().map(|workload| async move {
        match lender.runtime.remove(workload).await {
            Ok(()) => tracing::info!(%workload, "workload removed: no resource owns it"),
            Err(error) => tracing::warn!(%workload, %error, "a workload that no resource owns could not be removed"),
        }
    });
    join_all(removals).await;
}

/// Wakes the resource of every workload that ended by itself.
async fn watch_workloads(lender: Arc<Lender>) {
    let (ended, mut news) = mpsc::channel(64);
    let watching = lender.runtime.watch(ended);
    let forwarding = async {
        while let Some(workload) = news.recv().await {
            tracing::warn!(%workload, "a workload ended by itself");
            if let Some(key) = key(&workload.owner) {
                lender.wake(key);
            }
        }
    };
    tokio::join!(watching, forwarding);
}

async fn end_workloads(lender: &Lender, storage: &Storage) {
    match storage {
        Storage::Persistent(_) => {
            if let Err(error) = lender.runtime.stop_all().await {
                tracing::warn!(%error, "workloads could not be stopped; the next start finds them");
            }
        }
        Storage::Memory => match lender.runtime.list().await {
            Ok(workloads) => remove(lender, workloads).await,
            Err(error) => {
                tracing::warn!(%error, "workloads could not be removed; the next start on this port removes them")
            }
        },
    }
}

fn key(owner: &str) -> Option<Key> {
    ResourceId::parse(owner).ok().map(|id| id.key())
}
