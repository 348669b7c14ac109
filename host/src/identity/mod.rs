//! Who the gateway is to its clients, and who they are to it.

pub mod ca;
