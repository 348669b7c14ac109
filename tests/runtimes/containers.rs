//! What holds of containers.

use std::process::Command;

use floci_az::runtime::WorkloadState;
use serde_json::json;

use crate::gateway::*;

pub async fn what_the_engine_does_not_accept_is_the_specs_fault(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    let error = runtime.ensure(&key("a"), &changed("a", free_port(), json!({"memory": 1000}))).await.unwrap_err();
    eprintln!("{error}");
    assert_eq!(error.code(), "InvalidWorkloadSpec");
}

pub async fn an_image_that_cannot_be_had_is_an_error_and_then_tried_again(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    let spec = changed("a", free_port(), json!({"image": "localhost:1/no/such:1"}));
    for _ in 0..2 {
        let preparing = runtime.ensure(&key("a"), &spec).await.unwrap();
        assert!(matches!(preparing.state, WorkloadState::Preparing { .. }), "{preparing:?}");
        let error = until("the pull fails", async || runtime.ensure(&key("a"), &spec).await.err()).await;
        assert_eq!(error.code(), "ImageNotAvailable");
        eprintln!("{error}");
    }
}

pub async fn a_volume_whose_container_is_gone_is_found(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    running(&runtime, &spec("a", free_port())).await;
    docker(&["rm", "-fv", &gateway.place("a")]);
    assert_eq!(runtime.list().await.unwrap(), [key("a")]);
    assert_eq!(runtime.inspect(&key("a")).await.unwrap(), None);
    runtime.remove(&key("a")).await.unwrap();
    assert_eq!(runtime.list().await.unwrap(), []);
}

pub async fn a_container_has_no_capabilities_and_listens_on_this_machine_alone(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    let port = free_port();
    running(&runtime, &spec("a", port)).await;
    let place = gateway.place("a");
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &place]);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{status}");
    }
    assert_eq!(docker(&["port", &place]), format!("6379/tcp -> 127.0.0.1:{port}"));
    // A paused one is woken.
    docker(&["pause", &place]);
    running(&runtime, &spec("a", port)).await;
    // The image declares a volume, which gets no name and no label.
    let volumes = docker(&["inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", &place]);
    runtime.remove(&key("a")).await.unwrap();
    for volume in volumes.split_whitespace() {
        assert!(
            !Command::new("docker").args(["volume", "inspect", volume]).output().unwrap().status.success(),
            "{volume}"
        );
    }
}
