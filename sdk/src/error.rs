//! The two ways in which something goes wrong: a request is refused ([`Rejection`]), or something did not work
//! ([`Fault`]). Their texts are read by people: say what was attempted, what was found, and what to do.

use std::fmt;

/// Why a request is refused. The gateway puts it into ARM's error envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) target: Option<String>,
}

impl Rejection {
    /// 400: the request is wrong, whatever the state of the resource.
    pub fn bad_request(code: impl Into<String>, message: impl Into<String>) -> Rejection {
        Rejection::new(400, code, message)
    }

    /// 403: nobody may do this.
    pub fn forbidden(code: impl Into<String>, message: impl Into<String>) -> Rejection {
        Rejection::new(403, code, message)
    }

    /// 404: what the request speaks of does not exist.
    pub fn not_found(code: impl Into<String>, message: impl Into<String>) -> Rejection {
        Rejection::new(404, code, message)
    }

    /// 409: the request is right, and the state of this or another resource forbids it.
    pub fn conflict(code: impl Into<String>, message: impl Into<String>) -> Rejection {
        Rejection::new(409, code, message)
    }

    fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Rejection {
        Rejection { status, code: code.into(), message: message.into(), target: None }
    }

    /// Names the member that is wrong: `properties.sku.capacity`.
    #[must_use]
    pub fn at(self, target: impl Into<String>) -> Rejection {
        Rejection { target: Some(target.into()), ..self }
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// ARM error code.
    pub fn code(&self) -> &str {
        &self.code
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.message)?;
        match &self.target {
            Some(target) => write!(f, " ({target})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Rejection {}

/// Something did not work: an import that failed, or a desired state that cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A PascalCase word that programs may compare. The contract lists those of each import.
    pub code: String,
    pub message: String,
}

impl Fault {
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { code: code.into(), message: message.into() }
    }

    /// Whether it is this one: `fault.is("PortInUse")`.
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Fault {}

/// A fault that ends a `validate` or an `invoke`: the request may be right, but cannot be done now.
impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Rejection {
        Rejection::conflict(fault.code, fault.message)
    }
}
