//! Arguments, settings, serve: the index of the program.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use floci_az::banner::banner;
use floci_az::cli::{self, CliError, PluginCommand, Purpose, Reader, Shell, Surroundings, Terminal, Wanted};
use floci_az::config::{self, Settings, Sources};
use floci_az::gateway::Gateway;
use floci_az::plugin::{Compiled, Engine, Plugins, bundled};
use floci_az::runtime::process;
use floci_az::telemetry::otlp::Collector;
use floci_az_contract::Setting;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Azure Resource Manager on localhost: create an Azure Cache for Redis with curl or an SDK, and connect to it with any
/// Redis client.
///
/// Without a command, the gateway serves until it is told to end (Ctrl-C, SIGTERM). Settings come from floci-az.yml and
/// from FLOCI_AZ_* variables, which win; `floci-az settings` shows them all. RUST_LOG sets what is logged (info).
#[derive(Debug, Parser)]
#[command(version, max_term_width = 120)]
struct Arguments {
    /// The settings file; by default ./floci-az.yml, if there is one.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve. The same as no command.
    Serve,
    /// Print every setting: its value, where that comes from, what it does and what it costs.
    Settings,
    /// Print the certificate that clients of the gateway have to trust, in PEM.
    Ca,
    /// Print what makes az, Terraform and SDKs in this shell use the gateway: eval "$(floci-az env)"
    Env {
        /// Whose words are printed.
        #[arg(long, value_enum, default_value_t = Shell::Sh)]
        shell: Shell,
        /// Which programs they are for.
        #[arg(long = "for", value_enum, default_value_t = Purpose::All, value_name = "PROGRAM")]
        purpose: Purpose,
    },
    /// Run az against the gateway, with a configuration of its own: floci-az az group list
    #[command(disable_help_flag = true)]
    Az {
        /// What az is given.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Talk to a cache, over TLS: floci-az redis -n my-cache get greeting; without a command, line after line.
    Redis {
        /// The cache's name.
        #[arg(short, long)]
        name: String,
        /// Its resource group; needed if there are several caches of this name.
        #[arg(short = 'g', long = "resource-group", value_name = "GROUP")]
        group: Option<String>,
        /// Its subscription; likewise.
        #[arg(long, value_name = "ID")]
        subscription: Option<String>,
        /// One command, and its words.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// List, install, swap, roll back and remove the plugins of a gateway that runs.
    Plugin {
        /// Print JSON.
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// How the process runtime starts a program.
    #[command(name = "__exec", hide = true)]
    Exec {
        folder: PathBuf,
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

/// Signals that come within this time of the first one are the same wish.
const ONE_WISH: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Command::Exec { folder, command }) => Err(process::exec(&folder, &command).into()),
        Some(Command::Ca) => ca(arguments.config),
        Some(Command::Env { shell, purpose }) => env(arguments.config, shell, purpose),
        Some(Command::Az { arguments: given }) => az(arguments.config, &given),
        Some(Command::Redis { name, group, subscription, command }) => {
            let words: Vec<Vec<u8>> = command.into_iter().map(OsStringExt::into_vec).collect();
            match console(arguments.config, &Wanted { name, group, subscription }, &words) {
                Ok(code) => return code,
                Err(error) => Err(error),
            }
        }
        Some(Command::Plugin { json, command }) => plugin(arguments.config, json, &command),
        Some(Command::Settings) => in_runtime(settings(arguments.config)),
        Some(Command::Serve) | None => in_runtime(serve(arguments.config)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floci-az: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn in_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("threads cannot be started")?;
    let outcome = runtime.block_on(work);
    // Not waiting for what blocks a thread: a transfer of a file, say, which ends with the process.
    runtime.shutdown_background();
    outcome
}

/// Each client of a workload takes two files, and systems allow a process a thousand unless it asks for more.
fn allow_connections() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the number of open files could not be raised");
    }
}

/// A reader that has gone away (`| head`) is no error.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn ca(file: Option<PathBuf>) -> anyhow::Result<()> {
    say(&cli::ca(&gateway(file)?)?);
    Ok(())
}

fn env(file: Option<PathBuf>, shell: Shell, purpose: Purpose) -> anyhow::Result<()> {
    say(&cli::env(&gateway(file)?, &surroundings(), shell, purpose)?);
    Ok(())
}

fn az(file: Option<PathBuf>, arguments: &[OsString]) -> anyhow::Result<()> {
    let mut az = cli::az(&gateway(file)?, &surroundings(), arguments)?;
    let program = az.get_program().to_string_lossy().into_owned();
    // az takes the place of this program, and with it its input, output and exit code.
    Err(CliError::NotStarted { program, reason: az.exec() }.into())
}

fn console(file: Option<PathBuf>, wanted: &Wanted, command: &[Vec<u8>]) -> anyhow::Result<ExitCode> {
    Ok(cli::console(&gateway(file)?, &surroundings(), wanted, command)?)
}

fn plugin(file: Option<PathBuf>, json: bool, command: &PluginCommand) -> anyhow::Result<()> {
    let mut terminal = Terminal {
        out: &mut std::io::stdout(),
        err: &mut std::io::stderr(),
        reader: if json { Reader::Program } else { Reader::Person },
        program: std::env::args().next().unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned()),
    };
    let outcome = cli::plugin(&gateway(file)?, &surroundings(), command, &mut terminal);
    if let (true, Err(CliError::Refused { code, message })) = (json, &outcome) {
        say(&format!("{:#}\n", serde_json::json!({ "error": { "code": code, "message": message } })));
    }
    Ok(outcome?)
}

/// The settings of the gateway that a command is for.
fn gateway(file: Option<PathBuf>) -> anyhow::Result<config::Gateway> {
    Ok(Sources::read(file.as_deref(), std::env::vars_os()).gateway()?)
}

fn surroundings() -> Surroundings {
    std::env::vars_os().collect()
}

async fn settings(file: Option<PathBuf>) -> anyhow::Result<()> {
    let sources = Sources::read(file.as_deref(), std::env::vars_os());
    let plugins = Plugins::load(&Engine::new()?, &Compiled::Nowhere, bundled()).await?;
    let mut services = plugins.settings();
    let unknown = match installed(&sources) {
        Ok(installed) => {
            services.retain(|(bundled, _)| !installed.iter().any(|(service, _)| service == bundled));
            services.extend(installed);
            None
        }
        Err(error) => Some(error),
    };
    // What is wrong is said after what there is, where the reader ends up.
    let resolved = sources.resolve(&services);
    let defaults = Settings::defaults(&services);
    say(&config::describe(resolved.as_ref().unwrap_or(&defaults)));
    if let Some(error) = unknown {
        say(&format!("\nThose of installed plugins are not known: {error:#}.\n"));
    }
    resolved.map(drop).map_err(Into::into)
}

/// The settings of the plugins that the gateway has, which it alone knows, and only while it runs.
fn installed(sources: &Sources) -> anyhow::Result<Vec<(String, Vec<Setting>)>> {
    let gateway = sources.gateway()?;
    Ok(tokio::task::block_in_place(|| cli::services(&gateway, &surroundings()))?)
}

/// The log, and the collector of spans, if there is one.
fn log() -> Option<Collector> {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    let ansi = std::io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(ansi).with_target(false).with_filter(filter);
    let (collector, trouble) = match Collector::of_environment() {
        Ok(collector) => (collector, None),
        Err(error) => (None, Some(error)),
    };
    tracing_subscriber::registry().with(lines).with(collector.as_ref().map(Collector::layer)).init();
    match trouble {
        Some(error) => tracing::warn!("{error}"),
        None if collector.is_some() => tracing::info!("spans are sent to the collector of OTEL_EXPORTER_OTLP_*"),
        None => {}
    }
    collector
}

async fn serve(file: Option<PathBuf>) -> anyhow::Result<()> {
    let collector = log();
    let served = serve_until_told(file).await;
    if let Some(collector) = collector {
        collector.end();
    }
    served
}

async fn serve_until_told(file: Option<PathBuf>) -> anyhow::Result<()> {
    allow_connections();
    let sources = Sources::read(file.as_deref(), std::env::vars_os());
    let gateway = Gateway::start(&sources).await?;
    let (close, closing) = watch::channel(false);
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened to")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened to")?;
    say(&banner(&gateway).await);
    let mut running = tokio::spawn(gateway.run(closing));
    let mut asked = async || tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} };

    tokio::select! {
        ended = &mut running => return ended.context("the gateway broke"),
        () = asked() => tracing::info!("ending: requests and steps under way are awaited; once more to end at once"),
    }
    close.send_replace(true);
    // Whoever signals a whole group of processes, as `timeout` does, may reach this one twice with one wish.
    let wished = tokio::time::Instant::now();
    while wished.elapsed() < ONE_WISH {
        tokio::select! {
            ended = &mut running => return ended.context("the gateway broke"),
            () = asked() => {}
            () = tokio::time::sleep_until(wished + ONE_WISH) => {}
        }
    }
    tokio::select! {
        ended = running => ended.context("the gateway broke"),
        () = asked() => Err(anyhow::anyhow!("ended at once, as asked; the next start repairs what was under way")),
    }
}
