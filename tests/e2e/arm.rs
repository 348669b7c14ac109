//! ARM requests, as any HTTP client sends them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::wait_for;

pub const VERSION: &str = "2024-11-01";

#[derive(Debug, Clone)]
pub struct Arm {
    agent: ureq::Agent,
    base: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    /// Null if there is none.
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The error's code; the envelope has to be whole.
    pub fn code(&self) -> &str {
        let error = &self.body["error"];
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "no envelope: {self:?}");
        error["code"].as_str().unwrap()
    }

    pub fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{:#}", self.body);
        self
    }

    /// Of an answer without a body.
    #[track_caller]
    pub fn expect_status(&self, status: u16) {
        assert_eq!(self.status, status);
    }

    pub fn state(&self) -> &str {
        self.body["properties"]["provisioningState"].as_str().unwrap_or_default()
    }
}

impl Arm {
    pub fn new(port: u16) -> Arm {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(90)))
            .max_idle_connections(0)
            .build();
        Arm { agent: config.into(), base: format!("http://localhost:{port}") }
    }

    /// None if nobody answers.
    pub fn try_send(&self, method: &str, url: &str, body: Option<&[u8]>) -> Option<Answer> {
        let url = if url.starts_with('/') { format!("{}{url}", self.base) } else { url.to_owned() };
        let request = ureq::http::Request::builder().method(method).uri(url).header("content-type", "application/json");
        let mut response = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        }
        .ok()?;
        let text = response.body_mut().read_to_string().ok()?;
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        Some(Answer { status: response.status().as_u16(), headers: response.headers().clone(), body })
    }

    /// A PUT with a condition.
    pub fn put_if(&self, url: &str, body: &Value, header: &str, value: &str) -> Answer {
        let request = self.agent.put(format!("{}{url}", self.base)).header(header, value);
        let mut response = request.send_json(body).unwrap();
        let body = response.body_mut().read_json().unwrap();
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), body }
    }

    /// The bytes of a component, to `/_floci/plugins` with these parameters.
    pub fn install(&self, parameters: &str, component: &[u8]) -> Answer {
        self.install_with(parameters, component, &[])
    }

    pub fn install_with(&self, parameters: &str, component: &[u8], headers: &[(&str, &str)]) -> Answer {
        self.try_install(parameters, component, headers).expect("an answer to the install")
    }

    /// None if the gateway ends meanwhile.
    pub fn try_install(&self, parameters: &str, component: &[u8], headers: &[(&str, &str)]) -> Option<Answer> {
        let url = format!("{}/_floci/plugins{parameters}", self.base);
        let request = self.agent.put(url).header("content-type", "application/wasm");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut response = request.send(component).ok()?;
        let body = response.body_mut().read_json().ok()?;
        Some(Answer { status: response.status().as_u16(), headers: response.headers().clone(), body })
    }

    /// A POST to one plugin of `/_floci/plugins`.
    pub fn rollout(&self, namespace: &str, what: &str, body: &Value) -> Answer {
        self.send("POST", &format!("/_floci/plugins/{namespace}/{what}"), Some(body.to_string().as_bytes()))
    }

    /// What is shown of one plugin.
    pub fn plugin(&self, namespace: &str) -> Value {
        self.get(&format!("/_floci/plugins/{namespace}")).expect(200).body
    }

    pub fn send(&self, method: &str, url: &str, body: Option<&[u8]>) -> Answer {
        self.try_send(method, url, body).unwrap_or_else(|| panic!("no answer to {method} {url}"))
    }

    pub fn try_get(&self, url: &str) -> Option<Answer> {
        self.try_send("GET", url, None)
    }

    pub fn get(&self, url: &str) -> Answer {
        self.send("GET", url, None)
    }

    /// The body of an answer that is no JSON.
    pub fn text(&self, url: &str) -> String {
        let mut response = self.agent.get(format!("{}{url}", self.base)).call().unwrap();
        assert_eq!(response.status(), 200, "{url}");
        response.body_mut().read_to_string().unwrap()
    }

    /// In the quickstart's group.
    pub fn cache(&self, name: &str) -> Cache {
        self.cache_at(&format!("/subscriptions/my-sub/resourceGroups/my-rg/providers/Microsoft.Cache/redis/{name}"))
    }

    pub fn cache_at(&self, path: &str) -> Cache {
        Cache { arm: self.clone(), path: path.to_owned() }
    }
}

/// One cache, by its path.
#[derive(Debug, Clone)]
pub struct Cache {
    pub arm: Arm,
    pub path: String,
}

/// The body of the product page's quickstart.
pub fn quickstart() -> Value {
    json!({
        "location": "eastus",
        "properties": {
            "sku": { "name": "Basic", "family": "C", "capacity": 0 },
            "enableNonSslPort": true,
            "minimumTlsVersion": "1.2"
        }
    })
}

impl Cache {
    pub fn url(&self) -> String {
        format!("{}?api-version={VERSION}", self.path)
    }

    pub fn get(&self) -> Answer {
        self.arm.get(&self.url())
    }

    pub fn put(&self, body: &Value) -> Answer {
        self.arm.send("PUT", &self.url(), Some(body.to_string().as_bytes()))
    }

    pub fn patch(&self, body: &Value) -> Answer {
        self.arm.send("PATCH", &self.url(), Some(body.to_string().as_bytes()))
    }

    pub fn delete(&self) -> Answer {
        self.arm.send("DELETE", &self.url(), None)
    }

    pub fn post(&self, action: &str, body: &Value) -> Answer {
        let url = format!("{}/{action}?api-version={VERSION}", self.path);
        let body = body.to_string();
        self.arm.send("POST", &url, if body == "null" { None } else { Some(body.as_bytes()) })
    }

    /// Created with the quickstart's request, and ready.
    pub fn create(&self) -> Answer {
        self.put(&quickstart()).expect(201);
        self.settled("Succeeded")
    }

    /// The resource once nothing is under way, which has to be in this state.
    #[track_caller]
    pub fn settled(&self, state: &str) -> Answer {
        wait_for("a settled resource", || !matches!(self.get().state(), "Creating" | "Updating"));
        let answer = self.get().expect(200);
        assert_eq!(answer.state(), state, "{:#}", answer.body);
        answer
    }

    /// Deletes it and waits until it is gone.
    pub fn remove(&self) {
        self.delete().expect(202);
        wait_for("the cache to be gone", || self.get().status == 404);
    }

    pub fn keys(&self) -> [String; 2] {
        let keys = self.post("listKeys", &Value::Null).expect(200).body;
        ["primaryKey", "secondaryKey"].map(|name| keys[name].as_str().unwrap().to_owned())
    }

    pub fn regenerate(&self, key_type: &str) -> Answer {
        self.post("regenerateKey", &json!({ "keyType": key_type }))
    }

    pub fn port(&self) -> u16 {
        let port = self.get().expect(200).body["properties"]["port"].as_u64().unwrap();
        port.try_into().unwrap()
    }

    /// A connection of the redis crate, with a password.
    pub fn connect(&self, key: &str) -> redis::RedisResult<redis::Connection> {
        redis::Client::open(format!("redis://:{}@localhost:{}", percent(key), self.port()))?
            .get_connection_with_timeout(Duration::from_secs(10))
    }
}

/// A key in a URL.
fn percent(key: &str) -> String {
    percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string()
}
