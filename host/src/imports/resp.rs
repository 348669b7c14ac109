//! Redis commands to the plugin's own workloads.
//!
//! One connection for each call, closed at its end or when the call is dropped; every step has a time limit, so a server
//! that hangs costs the plugin its call and nobody else anything, and so have the replies. A reply of an aggregate type is
//! turned into JSON.

use std::future::pending;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError, Value};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::reader::Limited;
use super::{Imports, fault};
use crate::plugin::Capability;
use crate::plugin::contract::Fault;
use crate::plugin::imported::resp::{Credentials, Endpoint, Host, Reply};
use crate::runtime::WorkloadState;

/// For the connection: servers are on this machine.
const CONNECT: Duration = Duration::from_secs(2);
/// For the replies. A server that is asked to save its data may take seconds.
const REPLY: Duration = Duration::from_secs(10);
/// Bytes of all replies of one call: as much as a plugin has memory for, by default. They are held here meanwhile.
const MOST_REPLIED: usize = 64 << 20;
/// Commands in one call.
const MOST_COMMANDS: usize = 1_000;

impl Host for Imports {
    async fn execute(
        &mut self,
        endpoint: Endpoint,
        credentials: Option<Credentials>,
        commands: Vec<Vec<Vec<u8>>>,
    ) -> Result<Vec<Reply>, Fault> {
        let lent = self.granted(Capability::Resp)?;
        if commands.len() > MOST_COMMANDS {
            return Err(fault(
                "TooManyCommands",
                format!("{} commands in one call; {MOST_COMMANDS} are the most", commands.len()),
            ));
        }
        if commands.iter().any(Vec::is_empty) {
            return Err(fault("InvalidCommand", "a command has no words"));
        }
        let key = lent.any_workload(&endpoint.owner, &endpoint.workload)?;
        let found = lent.lender.runtime.inspect(&key).await.map_err(|error| fault(error.code(), error.to_string()))?;
        let Some(workload) = found else {
            return Err(fault(
                "WorkloadNotFound",
                format!("there is no workload '{}' of {}", endpoint.workload, endpoint.owner),
            ));
        };
        let Some(port) = workload.ports.get(&endpoint.port).copied() else {
            return Err(fault(
                "WorkloadNotFound",
                format!("the workload '{}' has no port '{}'", endpoint.workload, endpoint.port),
            ));
        };
        if !matches!(workload.state, WorkloadState::Running { .. }) {
            return Err(fault("ConnectionFailed", format!("the workload '{}' is not running", endpoint.workload)));
        }
        converse(&workload.host, port, credentials, &commands).await
    }
}

/// One connection, from its beginning to its end.
async fn converse(
    host: &str,
    port: u16,
    credentials: Option<Credentials>,
    commands: &[Vec<Vec<u8>>],
) -> Result<Vec<Reply>, Fault> {
    let failed = |text: String| fault("ConnectionFailed", format!("{host}:{port}: {text}"));
    let late = |_| failed(format!("it did not accept within {} s", CONNECT.as_secs()));
    let stream = timeout(CONNECT, TcpStream::connect((host, port))).await.map_err(late)?;
    let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    let stream = Limited::new(stream.map_err(|error| failed(error.to_string()))?, MOST_REPLIED);
    let plain = RedisConnectionInfo::default().set_skip_set_lib_name();
    let limits = AsyncConnectionConfig::new().set_response_timeout(Some(REPLY));
    let making = timeout(CONNECT, MultiplexedConnection::new_with_config(&plain, stream, limits));
    let (connection, driving) = making.await.map_err(late)?.map_err(|error| failed(text(&error)))?;
    // Read and written in this task: what is dropped with the call is over with it. Who asks sees the connection end.
    tokio::select! {
        replies = ask(connection, credentials, commands) => replies,
        never = async { driving.await; pending().await } => never,
    }
}

async fn ask(
    mut connection: MultiplexedConnection,
    credentials: Option<Credentials>,
    commands: &[Vec<Vec<u8>>],
) -> Result<Vec<Reply>, Fault> {
    if let Some(credentials) = credentials {
        login(&mut connection, credentials).await?;
    }
    match commands {
        [one] => Ok(vec![run(&mut connection, one).await?]),
        many => run_all(&mut connection, many).await,
    }
}

/// By hand: the library takes every refusal for a wrong password, also that of a server which has no place left.
async fn login(
    connection: &mut MultiplexedConnection,
    Credentials { user, password }: Credentials,
) -> Result<(), Fault> {
    match run(connection, &[b"AUTH".to_vec(), user.into_bytes(), password.into_bytes()]).await? {
        Reply::Error(text) if ["WRONGPASS", "NOAUTH", "NOPERM"].iter().any(|code| text.starts_with(code)) => {
            Err(fault("AuthenticationFailed", text))
        }
        Reply::Error(text) => Err(fault("ConnectionFailed", text)),
        _ => Ok(()),
    }
}

/// A command that the server refuses is a reply; only a connection that breaks is a fault.
async fn run(connection: &mut MultiplexedConnection, command: &[Vec<u8>]) -> Result<Reply, Fault> {
    let mut packed = redis::Cmd::new();
    for argument in command {
        packed.arg(argument.as_slice());
    }
    match connection.send_packed_command(&packed).await {
        Ok(value) => Ok(reply(value)),
        Err(error) if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() => {
            Err(fault("ConnectionFailed", text(&error)))
        }
        Err(error) => Ok(Reply::Error(text(&error))),
    }
}

/// Without waiting for one reply before the next command: a server does many at once in much less time than one by one.
async fn run_all(connection: &mut MultiplexedConnection, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Reply>, Fault> {
    let mut pipeline = redis::Pipeline::new();
    for command in commands {
        let mut packed = redis::Cmd::new();
        for argument in command {
            packed.arg(argument.as_slice());
        }
        pipeline.add_command(packed);
    }
    let values = connection.send_packed_commands(&pipeline, 0, commands.len()).await;
    Ok(values.map_err(|error| fault("ConnectionFailed", text(&error)))?.into_iter().map(reply).collect())
}

/// As the server wrote it, where it was the server: `WRONGPASS invalid username-password pair`.
fn text(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Int(number) => Reply::Integer(number),
        Value::BulkString(bytes) => Reply::Bulk(bytes),
        Value::SimpleString(text) => Reply::Bulk(text.into_bytes()),
        Value::Okay => Reply::Bulk(b"OK".to_vec()),
        Value::ServerError(error) => {
            Reply::Error(format!("{} {}", error.code(), error.details().unwrap_or_default()).trim_end().to_owned())
        }
        aggregate => Reply::Aggregate(json(aggregate).to_string()),
    }
}

fn json(value: Value) -> serde_json::Value {
    let list = |values: Vec<Value>| serde_json::Value::Array(values.into_iter().map(json).collect());
    match value {
        Value::Nil => serde_json::Value::Null,
        Value::Int(number) => number.into(),
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.into(),
        Value::Okay => "OK".into(),
        Value::Double(number) => number.into(),
        Value::Boolean(truth) => truth.into(),
        Value::Array(values) | Value::Set(values) => list(values),
        Value::Map(pairs) => list(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()),
        Value::Attribute { data, .. } => json(*data),
        other => format!("{other:?}").into(),
    }
}
