//! The listeners of the running gateway, and how a reload changes them.
//!
//! A listener that stays keeps its sockets: no connection in their queues is lost, and a port that
//! needed rights to bind is not bound again. New ones are bound before anything changes. One that is
//! removed, or has another address, stops accepting, and its connections end in order: they would
//! keep limits and trusted proxies that the configuration no longer has.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::worker::{Handle, Order};
use crate::listener::{Accepting, BindError, Farewell, ListenerPlan, Resumption, TlsError, bind};
use crate::model::{Gateway, ListenerName};
use crate::store::connection::{Doorkeeper, ListenerRules, SourceRules};

/// The listeners in use.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    running: HashMap<ListenerName, Running>,
}

/// What new listeners live in.
#[derive(Debug)]
pub(super) struct Environment {
    /// Who may come in.
    pub(super) rules: Arc<SourceRules>,
    /// Who accepts.
    pub(super) workers: Vec<Handle>,
}

#[derive(Debug)]
struct Running {
    /// As configured, port 0 included, with its interface.
    configured: (SocketAddr, Option<String>),
    /// As bound.
    address: SocketAddr,
    accepting: Accepting,
    resumption: Resumption,
    stop: watch::Sender<bool>,
    farewell: watch::Sender<Farewell>,
}

/// Changes that cannot fail any more.
#[derive(Debug)]
pub(super) struct Prepared {
    kept: Vec<(ListenerName, Arc<ListenerPlan>)>,
    fresh: Vec<Fresh>,
    /// Every listener's address as bound, in the order of the model.
    pub(super) addresses: Vec<SocketAddr>,
}

#[derive(Debug)]
struct Fresh {
    name: ListenerName,
    configured: (SocketAddr, Option<String>),
    address: SocketAddr,
    plan: Arc<ListenerPlan>,
    resumption: Resumption,
    sockets: Vec<TcpListener>,
}

/// Why a set of listeners cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListenError {
    /// A socket.
    #[error("listener `{listener}`")]
    Bind {
        /// Its name.
        listener: ListenerName,
        /// Why.
        source: BindError,
    },
    /// Its TLS.
    #[error("listener `{listener}`")]
    Tls {
        /// Its name.
        listener: ListenerName,
        /// Why.
        source: TlsError,
    },
}

impl Listeners {
    /// Compiles plans and binds a socket for each of the model's workers; changes nothing that
    /// runs.
    pub(super) fn prepare(&self, model: &Gateway) -> Result<Prepared, ListenError> {
        let mut prepared = Prepared {
            kept: Vec::new(),
            fresh: Vec::new(),
            addresses: Vec::new(),
        };
        for listener in &model.listeners {
            let unusable = |source| ListenError::Tls {
                listener: listener.name.clone(),
                source,
            };
            let running = self.running.get(&listener.name);
            // Sessions are resumed only where they began: listeners may differ in what they demand.
            let resumption = running.map(|running| running.resumption.clone());
            let resumption = resumption.unwrap_or_default();
            let plan = ListenerPlan::compile(listener, model, &resumption).map_err(unusable)?;
            let plan = Arc::new(plan);
            let interface = listener.interface.as_deref();
            let configured = (listener.address, listener.interface.clone());
            if let Some(same) = running.filter(|running| running.configured == configured) {
                prepared.addresses.push(same.address);
                prepared.kept.push((listener.name.clone(), plan));
                continue;
            }
            let failed = |source| ListenError::Bind {
                listener: listener.name.clone(),
                source,
            };
            let sockets = bind(listener.address, interface, model.workers.get()).map_err(failed)?;
            let address = sockets
                .first()
                .and_then(|socket| socket.local_addr().ok())
                .unwrap_or(listener.address);
            prepared.addresses.push(address);
            prepared.fresh.push(Fresh {
                name: listener.name.clone(),
                configured,
                address,
                plan,
                resumption,
                sockets,
            });
        }
        Ok(prepared)
    }

    /// Puts the listeners prepared for `model` in use and stops those that are gone.
    pub(super) async fn apply(
        &mut self,
        prepared: Prepared,
        model: &Gateway,
        around: &Environment,
    ) {
        let rules = listener_rules(model, around.rules.buckets.seed());
        let rules_of = |name: &ListenerName| rules.get(name).copied().unwrap_or_default();
        let stay: Vec<&ListenerName> = prepared
            .kept
            .iter()
            .map(|(name, _)| name)
            .chain(prepared.fresh.iter().map(|fresh| &fresh.name))
            .collect();
        self.running.retain(|name, running| {
            let stays = stay.contains(&name);
            if !stays {
                running.end(name);
            }
            stays
        });
        for (name, plan) in prepared.kept {
            if let Some(running) = self.running.get(&name) {
                let farewell = farewell(&plan);
                running.accepting.plan.store(plan);
                running.farewell.send_replace(farewell);
                running.accepting.doorkeeper.follow(rules_of(&name));
            }
        }
        for fresh in prepared.fresh {
            let rules = rules_of(&fresh.name);
            self.listen(fresh, rules, around).await;
        }
    }

    async fn listen(&mut self, fresh: Fresh, rules: ListenerRules, around: &Environment) {
        let Fresh {
            name,
            configured,
            address,
            plan,
            resumption,
            sockets,
        } = fresh;
        let protocol = if plan.tls.is_some() { "https" } else { "http" };
        let (stop, stopping) = watch::channel(false);
        let (farewell, leaving) = watch::channel(farewell(&plan));
        let accepting = Accepting {
            plan: Arc::new(ArcSwap::new(plan)),
            doorkeeper: Arc::new(Doorkeeper::new(Arc::clone(&around.rules), rules)),
            stopping,
            farewell: leaving,
        };
        for (worker, socket) in around.workers.iter().zip(sockets) {
            let order = Order::Listen {
                accepting: accepting.clone(),
                socket,
            };
            if worker.orders.send(order).await.is_err() {
                tracing::error!(listener = %name, "a worker has died and does not listen");
            }
        }
        tracing::info!(listener = %name, %address, protocol, "listening");
        let moved = self.running.insert(
            name.clone(),
            Running {
                configured,
                address,
                accepting,
                resumption,
                stop,
                farewell,
            },
        );
        if let Some(moved) = moved {
            moved.end(&name);
        }
    }

    /// Stops accepting everywhere, and ends what is open in order.
    pub(super) fn stop(&self) {
        for running in self.running.values() {
            running.leave();
        }
    }
}

impl Running {
    /// Stops accepting and ends what is open in order.
    fn leave(&self) {
        self.stop.send_replace(true);
        self.farewell.send_replace(Farewell::Everybody);
    }

    /// As [`Self::leave`], for one listener alone.
    fn end(&self, name: &ListenerName) {
        self.leave();
        tracing::info!(listener = %name, address = %self.address, "no longer listening");
    }
}

/// Whose connections end under a plan that takes the place of another.
fn farewell(plan: &ListenerPlan) -> Farewell {
    match plan.tls {
        Some(_) => Farewell::Plaintext,
        None => Farewell::Nobody,
    }
}

/// What accept asks of sources, by listener.
fn listener_rules(model: &Gateway, seed: u64) -> HashMap<ListenerName, ListenerRules> {
    (1_u32..)
        .zip(&model.listeners)
        .map(|(number, listener)| {
            let rules = ListenerRules::of(model, number, listener, seed);
            (listener.name.clone(), rules)
        })
        .collect()
}
