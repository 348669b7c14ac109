//! No workloads: resources can be described but not run.
//!
//! Whatever needs a program to run fails and says how to get a runtime; whatever only takes away succeeds, so that
//! resources can be deleted.

use std::fs::File;

use floci_az_contract::WorkloadSpec;
use tokio::sync::mpsc;

use super::{RuntimeError, Workload, WorkloadKey};

#[derive(Debug, Default)]
pub struct NoRuntime;

impl NoRuntime {
    pub async fn ensure(&self, key: &WorkloadKey, spec: &WorkloadSpec) -> Result<Workload, RuntimeError> {
        Err(unavailable("started", key, &format!(" ({})", spec.programs.join(" or "))))
    }

    pub async fn inspect(&self, _: &WorkloadKey) -> Result<Option<Workload>, RuntimeError> {
        Ok(None)
    }

    pub async fn restart(&self, key: &WorkloadKey) -> Result<Workload, RuntimeError> {
        Err(unavailable("restarted", key, ""))
    }

    pub async fn remove(&self, _: &WorkloadKey) -> Result<(), RuntimeError> {
        Ok(())
    }

    pub async fn logs(&self, key: &WorkloadKey, _: u32) -> Result<String, RuntimeError> {
        Err(unavailable("read", key, ""))
    }

    pub async fn read(&self, key: &WorkloadKey, _: &str) -> Result<File, RuntimeError> {
        Err(unavailable("read", key, ""))
    }

    pub async fn write(&self, key: &WorkloadKey, _: &str, _: File) -> Result<(), RuntimeError> {
        Err(unavailable("written to", key, ""))
    }

    pub async fn list(&self) -> Result<Vec<WorkloadKey>, RuntimeError> {
        Ok(Vec::new())
    }

    pub async fn stop_all(&self) -> Result<(), RuntimeError> {
        Ok(())
    }

    pub async fn watch(&self, ended: mpsc::Sender<WorkloadKey>) {
        ended.closed().await;
    }
}

fn unavailable(attempted: &str, key: &WorkloadKey, programs: &str) -> RuntimeError {
    RuntimeError::Unavailable(format!(
        "the workload {key} cannot be {attempted}: the gateway runs with the runtime `none`, which runs nothing. Start Docker, or \
         install one of the programs that the workload names{programs}, then restart the gateway with FLOCI_AZ_RUNTIME=auto, \
         docker or process"
    ))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[tokio::test]
    async fn what_cannot_run_says_how_to_get_a_runtime_and_removal_succeeds() {
        let key = WorkloadKey { owner: "/subscriptions/s".to_owned(), name: "cache".to_owned() };
        let spec = serde_json::json!({"name": "cache", "image": "valkey/valkey:8", "programs": ["valkey-server", "redis-server"]});
        let spec: WorkloadSpec = serde_json::from_value(spec).unwrap();
        let error = NoRuntime.ensure(&key, &spec).await.unwrap_err();
        expect!["the workload /subscriptions/s#cache cannot be started: the gateway runs with the runtime `none`, which runs nothing. Start Docker, or install one of the programs that the workload names (valkey-server or redis-server), then restart the gateway with FLOCI_AZ_RUNTIME=auto, docker or process"].assert_eq(&error.to_string());
        assert_eq!(error.code(), "RuntimeUnavailable");
        assert!(NoRuntime.remove(&key).await.is_ok());
        assert_eq!(NoRuntime.inspect(&key).await.unwrap(), None);
    }

    #[tokio::test]
    async fn watching_ends_with_the_receiver() {
        let (ended, receiver) = mpsc::channel(1);
        drop(receiver);
        NoRuntime.watch(ended).await;
    }
}
