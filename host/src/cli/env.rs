//! `floci-az env`: what to set so that `az`, Terraform and SDKs use the gateway, and what it takes beside that.

use clap::ValueEnum;

use super::local::Local;
use super::shell::Shell;
use super::trust::Trust;
use super::{CliError, Surroundings};
use crate::config::Gateway;
use crate::identity::DEFAULT_TENANT;

/// Any GUID is the id of a client, and any text its secret; these are as good as others.
pub(super) const CLIENT: &str = "00000000-0000-0000-0000-000000000003";
pub(super) const SECRET: &str = "any-secret";
/// What makes libraries of Microsoft take the gateway for AD FS, which they log in to without asking
/// login.microsoftonline.com whether it can be trusted.
const SDK_TENANT: &str = "adfs";

/// Which programs the variables are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    All,
    Az,
    Terraform,
    Sdk,
}

/// A line of the output.
enum Line {
    Note(String),
    Set(&'static str, String),
}

/// What to paste, or to have carried out.
pub fn env(gateway: &Gateway, surroundings: &Surroundings, shell: Shell, purpose: Purpose) -> Result<String, CliError> {
    let local = Local::of(gateway);
    let trust = Trust::in_gateway(&local, surroundings)?;
    let mut lines = vec![note(format!("For this shell: {}", shell.usage()))];
    if trust.system.is_none() {
        lines.push(note("No certificates of this system were found: what is set here trusts the gateway alone."));
    }
    let wanted = |one| purpose == Purpose::All || purpose == one;
    let parts = [
        (Purpose::Az, for_az(&local, &trust)),
        (Purpose::Terraform, for_terraform(&local, &trust, gateway)),
        (Purpose::Sdk, for_sdk(&local, &trust, gateway)),
    ];
    let mut set: Vec<&str> = Vec::new();
    for line in parts.into_iter().filter(|(one, _)| wanted(*one)).flat_map(|(_, lines)| lines) {
        match &line {
            // Two programs that need the same variable need the same value.
            Line::Set(name, _) if set.contains(name) => continue,
            Line::Set(name, _) => set.push(name),
            Line::Note(_) => {}
        }
        lines.push(line);
    }
    let written = lines.iter().map(|line| match line {
        Line::Note(text) => format!("# {text}\n"),
        Line::Set(name, value) => shell.set(name, value) + "\n",
    });
    Ok(written.collect())
}

fn note(text: impl Into<String>) -> Line {
    Line::Note(text.into())
}

fn bundle(name: &'static str, trust: &Trust) -> Line {
    Line::Set(name, trust.bundle.display().to_string())
}

fn for_az(local: &Local, trust: &Trust) -> Vec<Line> {
    let mut lines = vec![note(
        "az: once, with these variables set (`floci-az az -- ...` needs none of this, and leaves your own az alone):",
    )];
    lines.extend(registration(local).map(|words| note(format!("  az {}", words.join(" ")))));
    lines.push(note("and `az cloud set -n AzureCloud` leads back to Azure."));
    lines.push(bundle("REQUESTS_CA_BUNDLE", trust));
    lines.extend(switches().map(|(name, value)| Line::Set(name, value.to_owned())));
    lines
}

/// What tells `az` of the gateway and logs it in: the words after `az`.
pub(super) fn registration(local: &Local) -> [Vec<String>; 3] {
    let (name, endpoint, tenant) = ("floci-az", local.https(), DEFAULT_TENANT.to_string());
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    [
        words(&["cloud", "register", "-n", name, "--endpoint-resource-manager", &endpoint]),
        words(&["cloud", "set", "-n", name]),
        words(&["login", "--service-principal", "-u", CLIENT, "-p", SECRET, "--tenant", &tenant]),
    ]
}

/// Of `az`: ask nobody else whether the gateway may be trusted with a login, and report nothing to Microsoft.
pub(super) fn switches() -> [(&'static str, &'static str); 2] {
    [("AZURE_CORE_INSTANCE_DISCOVERY", "false"), ("AZURE_CORE_COLLECT_TELEMETRY", "false")]
}

/// The one that the gateway tells `az` of first. Without one, any will do, and it is for the user to choose.
fn subscription(name: &'static str, gateway: &Gateway) -> Option<Line> {
    gateway.arm.subscriptions.first().map(|id| Line::Set(name, id.clone()))
}

fn for_terraform(local: &Local, trust: &Trust, gateway: &Gateway) -> Vec<Line> {
    let set = |name, value: &str| Line::Set(name, value.to_owned());
    let mut lines = vec![
        note("Terraform, with provider \"azurerm\" { features {} }"),
        note("(before 4.0 it also needs: skip_provider_registration = true)"),
        set("ARM_METADATA_HOSTNAME", &local.authority),
        set("ARM_TENANT_ID", &DEFAULT_TENANT.to_string()),
        set("ARM_CLIENT_ID", CLIENT),
        set("ARM_CLIENT_SECRET", SECRET),
        set("ARM_USE_CLI", "false"),
        set("ARM_RESOURCE_PROVIDER_REGISTRATIONS", "none"),
        bundle("SSL_CERT_FILE", trust),
    ];
    lines.extend(subscription("ARM_SUBSCRIPTION_ID", gateway));
    lines
}

fn for_sdk(local: &Local, trust: &Trust, gateway: &Gateway) -> Vec<Line> {
    let set = |name, value: &str| Line::Set(name, value.to_owned());
    let endpoint = local.https();
    let mut lines = vec![
        note(
            "SDKs: EnvironmentCredential and DefaultAzureCredential log in by these variables. A management client has to",
        ),
        note(format!("be told its endpoint, {endpoint}, and scope, {endpoint}/.default; in Python:")),
        note(format!("  base_url=\"{endpoint}\", credential_scopes=[\"{endpoint}/.default\"]")),
        note(
            "With the tenant adfs, nobody else is asked whether this login is to be trusted; with another tenant, the",
        ),
        note("credential needs disable_instance_discovery=True (disableInstanceDiscovery, DisableInstanceDiscovery)."),
        set("AZURE_AUTHORITY_HOST", &endpoint),
        set("AZURE_TENANT_ID", SDK_TENANT),
        set("AZURE_CLIENT_ID", CLIENT),
        set("AZURE_CLIENT_SECRET", SECRET),
        bundle("REQUESTS_CA_BUNDLE", trust),
        bundle("SSL_CERT_FILE", trust),
        Line::Set("NODE_EXTRA_CA_CERTS", trust.ca.display().to_string()),
    ];
    lines.extend(subscription("AZURE_SUBSCRIPTION_ID", gateway));
    lines
}
