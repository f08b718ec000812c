//! `gateway xdp status`: what is pinned and attached for an instance.

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use gateway_common::event::sampling;
use serde::Serialize;

use super::output::Output;
use super::target::Target;
use crate::clock;
use crate::daemon::protocol::{CallError, Request, Response, call};
use crate::xdp::status::{self, Status};

#[derive(Serialize)]
struct Report<'a> {
    instance: &'a str,
    /// Who answers at the admin socket.
    running: Option<String>,
    directory: String,
    layout_version: u32,
    interfaces: Vec<Interface<'a>>,
    programs: Vec<Program<'a>>,
    flags: Flags,
    maps: Vec<Map>,
    memory_bytes: u64,
    other_versions: Vec<String>,
}

#[derive(Serialize)]
struct Interface<'a> {
    interface: &'a str,
    mode: &'static str,
    program_id: u32,
    /// `None` where the link belongs to the running gateway.
    link_id: Option<u32>,
}

#[derive(Serialize)]
struct Program<'a> {
    id: u32,
    name: &'a str,
    tag: String,
    /// RFC 3339, UTC.
    loaded_at: Option<String>,
    verified_instructions: Option<u32>,
    machine_code_bytes: u32,
}

#[derive(Serialize)]
struct Flags {
    active: u64,
    endpoint_generation: u32,
    list_generation: u32,
    attack: bool,
    penalties: u64,
    /// Of the drops, one in so many becomes an event; `None`: none.
    events_one_in: Option<u64>,
}

#[derive(Serialize)]
struct Map {
    name: &'static str,
    entries: u32,
    memory_bytes: u64,
}

pub(super) fn run(target: &Target, json: bool, output: &mut Output) -> anyhow::Result<ExitCode> {
    let instance = &target.instance;
    let found = status::read(instance).with_context(|| {
        format!("cannot look at the kernel edge of `{instance}`: run the same command with `sudo`")
    })?;
    let Some(found) = found else {
        let others = status::other_versions(instance)?;
        let left: Vec<String> = others.iter().map(|it| it.display().to_string()).collect();
        if left.is_empty() {
            bail!(
                "instance `{instance}` has pinned nothing: start it with `gateway run` or attach \
                 with `gateway xdp apply`, or name another one with --instance or --config"
            );
        }
        bail!(
            "instance `{instance}` has pins of another version only, in {}: `gateway xdp detach` \
             removes them",
            left.join(", ")
        );
    };
    let hello = call(&target.admin_socket, &Request::Hello);
    let running = match hello.and_then(Response::done) {
        Ok(message) => Some(message),
        Err(CallError::Refused(_) | CallError::Protocol(_) | CallError::OtherAnswer) => {
            Some("another version".to_owned())
        }
        Err(_silent) => None,
    };
    let report = report(instance.as_str(), running, &found);
    if json {
        output.line(&serde_json::to_string(&report)?);
    } else {
        output.line(&text(&report));
    }
    Ok(ExitCode::SUCCESS)
}

fn report<'a>(instance: &'a str, running: Option<String>, found: &'a Status) -> Report<'a> {
    let interfaces = found.interfaces.iter().map(|one| Interface {
        interface: &one.attachment.interface,
        mode: one.attachment.mode.name(),
        program_id: one.program_id,
        link_id: one.link_id,
    });
    let programs = found.programs.iter().map(|one| Program {
        id: one.id,
        name: &one.name,
        tag: format!("{:016x}", one.tag),
        loaded_at: one.loaded_at.map(moment),
        verified_instructions: one.verified_instructions,
        machine_code_bytes: one.machine_code_bytes,
    });
    let words = found.words;
    let maps: Vec<Map> = found
        .maps
        .iter()
        .map(|map| Map {
            name: map.name,
            entries: map.entries,
            memory_bytes: map.memory_bytes,
        })
        .collect();
    Report {
        instance,
        running,
        directory: found.directory.display().to_string(),
        layout_version: found.layout_version,
        interfaces: interfaces.collect(),
        programs: programs.collect(),
        flags: Flags {
            active: words.active,
            endpoint_generation: words.endpoint_generation,
            list_generation: words.list_generation,
            attack: words.attack,
            penalties: words.penalties,
            events_one_in: one_in(words.events, clock::monotonic_ns()),
        },
        memory_bytes: maps.iter().map(|map| map.memory_bytes).sum(),
        maps,
        other_versions: found
            .other_versions
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
    }
}

/// One drop in how many is watched now; `None` where nobody watches.
fn one_in(word: u64, now_ns: u64) -> Option<u64> {
    let exponent = sampling(word, now_ns).checked_sub(1)?;
    1_u64.checked_shl(exponent)
}

fn moment(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

fn text(report: &Report<'_>) -> String {
    let mut lines = vec![
        format!(
            "instance {}: {}",
            report.instance,
            report.running.as_deref().unwrap_or("no gateway is running")
        ),
        format!(
            "pins: {} (layout {})",
            report.directory, report.layout_version
        ),
    ];
    if report.interfaces.is_empty() {
        lines.push("interfaces: none of this network namespace".to_owned());
    }
    for one in &report.interfaces {
        let link = one.link_id.map_or_else(
            || "held by the running gateway".to_owned(),
            |id| format!("link {id}"),
        );
        lines.push(format!(
            "interface {}: program {}, {} mode, {link}",
            one.interface, one.program_id, one.mode
        ));
    }
    for one in &report.programs {
        let loaded = one.loaded_at.as_deref().unwrap_or("at an unknown time");
        let verified = one.verified_instructions.map_or_else(String::new, |count| {
            format!(", {count} instructions verified")
        });
        lines.push(format!(
            "program {}: `{}` with tag {}, loaded {loaded}{verified}, {} bytes of machine code",
            one.id, one.name, one.tag, one.machine_code_bytes
        ));
    }
    let flags = &report.flags;
    let events = flags
        .events_one_in
        .map_or_else(|| "off".to_owned(), |count| format!("one drop in {count}"));
    lines.push(format!(
        "flags: under attack {}, penalised flows {}, events {events}",
        if flags.attack { "yes" } else { "no" },
        flags.penalties
    ));
    lines.push(format!(
        "generations: settings {}, endpoints {}, lists {}",
        flags.active, flags.endpoint_generation, flags.list_generation
    ));
    lines.push(format!("{:<18} {:>10} {:>10}", "map", "entries", "KiB"));
    for map in &report.maps {
        lines.push(format!(
            "{:<18} {:>10} {:>10}",
            map.name,
            map.entries,
            map.memory_bytes.div_ceil(1024)
        ));
    }
    lines.push(format!(
        "{:<18} {:>10} {:>10}",
        "together",
        "",
        report.memory_bytes.div_ceil(1024)
    ));
    for path in &report.other_versions {
        lines.push(format!(
            "left by another version: {path}; programs among these pins still judge: `gateway xdp \
             detach` removes everything, `sudo rm -r {path}` these alone"
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use gateway_common::event::watch;

    use super::*;

    #[test]
    fn the_event_word_reads_as_one_drop_in_so_many_until_its_end() {
        const END: u64 = 1 << 40;
        assert_eq!(one_in(0, 0), None);
        assert_eq!(one_in(watch(1, END), END - 1), Some(1));
        assert_eq!(one_in(watch(11, END), 0), Some(1_024));
        assert_eq!(one_in(watch(11, END), END), None);
    }
}
