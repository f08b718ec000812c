//! Names, each of its own type, so that one cannot stand where another belongs.

use std::fmt;
use std::sync::Arc;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(Arc<str>);

            impl $name {
                /// From text that configuration has already checked.
                #[must_use]
                pub fn new(text: &str) -> Self {
                    Self(Arc::from(text))
                }

                /// The name as written.
                #[must_use]
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&self.0)
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{:?}", &*self.0)
                }
            }
        )*
    };
}

names! {
    /// Name of this gateway on its host: pins, runtime files and sockets carry it. `[a-z0-9_-]`,
    /// 1 to 32 characters, because bpffs refuses dots.
    InstanceName,
    /// Name of a listener.
    ListenerName,
    /// Name of an API.
    ApiName,
    /// Name of an authorizer.
    AuthorizerName,
    /// Name of an upstream.
    UpstreamName,
    /// A route as written, such as `GET /pets/{id}`.
    RouteKey,
}
