//! `KUBEBUILDER_ASSETS` names the programs: etcd and the API server alone make a cluster, without controllers.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use parapet_testbed::{Cluster, Programs, skip};

/// Set, the test below plays a test binary on a machine with kubebuilder's tools.
const CALLED: &str = "PARAPET_TESTBED_WITH_ASSETS";

#[tokio::test]
async fn kubebuilder_assets_are_used() -> Result<()> {
    if std::env::var_os(CALLED).is_some() {
        let cluster = Cluster::shared().await.context("there are programs")?;
        assert_eq!(cluster.pids().len(), 2, "no controllers, no scheduler");
        cluster.namespace("assets").await?;
        let namespaces: Api<Namespace> = Api::all(cluster.client().await?);
        assert!(namespaces.get_opt("assets").await?.is_some());
        assert!(cluster.kwok().await.is_err(), "it says so instead of waiting for ever");
        return Ok(());
    }
    let Some(programs) = Programs::find()? else {
        skip("the testbed is not built");
        return Ok(());
    };
    let assets = tempfile::tempdir()?;
    for (name, command) in programs.etcd_and_apiserver() {
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        let line = format!("exec '{}' {} \"$@\"", command.get_program().display(), arguments.join(" "));
        write_script(&assets.path().join(name), &line)?;
    }
    let empty = tempfile::tempdir()?;
    let output = Command::new(std::env::current_exe()?)
        .args(["--exact", "assets::kubebuilder_assets_are_used"])
        .env(CALLED, "1")
        .env("KUBEBUILDER_ASSETS", assets.path())
        .env("PARAPET_CACHE", empty.path())
        .output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

fn write_script(path: &Path, line: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\n{line}\n"))?;
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    Ok(())
}
