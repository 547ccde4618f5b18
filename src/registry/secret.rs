//! Passwords and tokens: a value that cannot be printed, serialised or compared by accident.
//!
//! Read by `auth.rs` from files and helpers, handed to `token.rs` and [`super::client`], and to nobody
//! else. The memory is overwritten when the value goes away, as far as safe Rust can promise it.

/// A password or token. No `Debug`, no `Display`, no `Serialize`: whoever wants the text has to ask for it.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes a secret over.
    pub fn new(text: String) -> Self {
        Secret(text.into_bytes())
    }

    /// The text, for the request it was made for.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

/// What a registry is shown to prove who is asking.
#[derive(Clone)]
pub enum Credentials {
    /// A user name and its password.
    Basic {
        /// The user's name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// An identity token, traded for a bearer token by an OAuth2 POST (`identitytoken` in Docker's words).
    Identity(Secret),
    /// A ready bearer token (`registrytoken` in Docker's words).
    Bearer(Secret),
}

impl Credentials {
    /// The secret part.
    pub fn secret(&self) -> &str {
        match self {
            Credentials::Basic { password, .. } => password.expose(),
            Credentials::Identity(token) | Credentials::Bearer(token) => token.expose(),
        }
    }
}
