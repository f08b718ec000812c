//! What is in force, and what it makes of requests.

pub(super) const AUDIENCES: [&str; 2] = ["pets", "dogs"];
pub(super) const PATHS: [&str; 2] = ["a", "b"];

/// What is in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// What a reload changes.
    pub(super) written: Written,
    /// Which path the function allows.
    pub(super) allowed: usize,
    /// Which of the two keys the issuer with a server publishes: 1, 2 or both.
    pub(super) served: usize,
    /// What the server has for the tenant: see [`Rules::of_tenant`].
    pub(super) registered: usize,
}

/// What the configuration and its files say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// Which of the two keys the file has: 1, 2 or both.
    pub(super) keys: usize,
    /// Which audience the authorizers accept.
    pub(super) audience: usize,
    /// Which path the resource policy allows.
    pub(super) path: usize,
    /// Which path the policy in Cedar permits.
    pub(super) permitted: usize,
    /// Which path is that of the caller, as the file of people says.
    pub(super) area: usize,
    /// What the file of tenants has for the tenant: see [`Rules::of_tenant`].
    pub(super) tenant: usize,
}

/// What decides about a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decider {
    /// A token and a resource policy.
    Resource,
    /// A token and a policy in Cedar.
    Cedar,
    /// A function.
    Function,
    /// A token by a key that a server gives out, and what a file says of its subject.
    Served,
    /// The policies that a file has for the tenant.
    Tenant,
    /// The policies that a server has for the tenant.
    Registry,
}

/// Who decides, about a token by its key and its audience, and the path that it is sent to.
pub(super) type Asked = (Decider, usize, usize, usize);

/// All that is asked. Who asks for a tenant needs no token.
pub(super) fn everything() -> Vec<Asked> {
    use Decider::{Cedar, Function, Registry, Resource, Served, Tenant};

    let by_token = [Resource, Cedar, Function, Served];
    let by_token = by_token.into_iter().flat_map(|decider| {
        (0..8).map(move |number| (decider, number & 1, number >> 1 & 1, number >> 2))
    });
    let others = [Tenant, Registry];
    let others = others
        .into_iter()
        .flat_map(|decider| [0, 1].map(|path| (decider, 0, 0, path)));
    by_token.chain(others).collect()
}

impl Rules {
    pub(super) const FIRST: Self = Self {
        written: Written {
            keys: 1,
            audience: 0,
            path: 0,
            permitted: 0,
            area: 0,
            tenant: 0,
        },
        allowed: 0,
        served: 1,
        registered: 0,
    };

    pub(super) fn answer(self, (decider, key, audience, path): Asked) -> u16 {
        let written = self.written;
        let is_known = |keys: usize| keys & (1 << key) != 0 && written.audience == audience;
        let (is_known, allowed) = match decider {
            Decider::Resource => (is_known(written.keys), written.path),
            Decider::Cedar => (is_known(written.keys), written.permitted),
            Decider::Function => (true, self.allowed),
            Decider::Served => (is_known(self.served), written.area),
            Decider::Tenant => (true, self.of_tenant(written.tenant)),
            Decider::Registry => (true, self.of_tenant(self.registered)),
        };
        match (is_known, allowed == path) {
            (false, _) => 401,
            (true, true) => 200,
            (true, false) => 403,
        }
    }

    /// Which path a tenant is permitted: 0 names the store that the configuration has, others have
    /// one of their own.
    const fn of_tenant(self, tenant: usize) -> usize {
        match tenant {
            0 => self.written.permitted,
            own => own - 1,
        }
    }
}
