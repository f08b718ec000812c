//! Figures by listener and list: their names, where they come from, and how long they hold.

use std::collections::BTreeSet;
use std::path::Path;

use aya::maps::{PerCpuArray, PerCpuValues};
use aya::util::nr_cpus;
use gateway_common::counter::{Counter, listener_counter_index};
use gateway_common::name::{MAP_LIST_COUNTERS, MAP_LISTENER_COUNTERS};
use gateway_common::reason::Verdict;
use gateway_tests::capability::or_skip;
use gateway_tests::gateway::BINARY;
use gateway_tests::lines::Lines;
use gateway_tests::netns::{CLIENT, OTHER, Site};
use gateway_tests::pinned::pinned;
use gateway_tests::wait::until;
use serde_json::{Value, json};

/// What the program would have counted on the first CPU, had it seen these packets.
const SEEN: Counter = Counter {
    packets: 7_000_000,
    bytes: 420_000_000,
};

#[tokio::test]
async fn figures_have_names_also_while_no_gateway_runs() {
    let Some(site) = or_skip(Site::new("stats").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    let setup = gateway.stop().await;
    count(
        &site,
        MAP_LISTENER_COUNTERS,
        listener_counter_index(2, Verdict::WouldDrop),
    );
    count(&site, MAP_LIST_COUNTERS, 0);
    let stats = stats(&site, &config);
    let labels = [("listener", "six"), ("verdict", "would_drop")];
    let six = row(&stats, "listeners", &labels).unwrap();
    assert_eq!(six["packets"], SEEN.packets, "{stats}");
    assert_eq!(six["bytes"], SEEN.bytes, "{stats}");
    let list = row(&stats, "lists", &[("list", "operator")]).unwrap();
    assert_eq!(list["packets"], SEEN.packets, "{stats}");
    assert_eq!(stats["under_attack"], false);
    assert_eq!(stats["flow_rows"], 0);

    // The next run goes on counting where this one ended.
    let gateway = site.start(setup).await;
    let page = site.metrics(&gateway).await;
    let six = "gateway_edge_listener_packets_total{listener=\"six\",verdict=\"would_drop\"}";
    assert_eq!(page.get(six), 7_000_000.0, "{}", page.text);
    let list = "gateway_edge_list_bytes_total{list=\"operator\"}";
    assert_eq!(page.get(list), 420_000_000.0, "{}", page.text);
}

#[tokio::test]
async fn a_listener_is_never_charged_with_what_its_number_stood_for_before() {
    let Some(site) = or_skip(Site::new("renumbered").await) else {
        return;
    };
    let mut gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    for listener in [1, 2] {
        let index = listener_counter_index(listener, Verdict::Drop);
        count(&site, MAP_LISTENER_COUNTERS, index);
    }
    let dropped = |name: &str| {
        let stats = stats(&site, &config);
        row(
            &stats,
            "listeners",
            &[("listener", name), ("verdict", "drop")],
        )
        .map(|row| row["packets"].as_u64().unwrap())
    };
    assert_eq!(dropped("six"), Some(SEEN.packets));
    let written = gateway.config_path();
    let mut whole: Value =
        serde_json::from_str(&std::fs::read_to_string(&written).unwrap()).unwrap();
    let four = whole["listeners"]
        .as_object_mut()
        .unwrap()
        .remove("four")
        .unwrap();
    gateway.setup().restore(&whole.to_string());
    assert_eq!(gateway.setup().write(), written);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(dropped("six"), None, "number 1 was `four`");

    // And back: the numbers of a stopped gateway are those of its last configuration.
    let setup = gateway.stop().await;
    count(
        &site,
        MAP_LISTENER_COUNTERS,
        listener_counter_index(1, Verdict::Drop),
    );
    assert_eq!(dropped("six"), Some(SEEN.packets));
    let _gateway = site.start(setup.set(&["listeners", "four"], four)).await;
    assert_eq!(dropped("four"), None, "number 1 was `six`");
}

#[tokio::test]
async fn listeners_and_lists_add_up_to_the_verdicts() {
    let Some(site) = or_skip(Site::new("adds-up").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    drop(site.succeed(&["deny", "add", OTHER[0], "--config", &config]));
    for source in CLIENT {
        assert_eq!(site.call(source, "/open").await.status, 200);
    }
    assert!(!site.reaches(OTHER[0]).await);
    // The last segments of the connections are still on their way; then nothing moves.
    let stats = until("figures that add up", || async {
        let stats = stats(&site, &config);
        let by_reason = |reasons: &[&str]| sum(&stats, "verdicts", "reason", reasons);
        let ours = by_reason(&["admitted", "new_connection", "denied"]);
        let by_listener = sum(&stats, "listeners", "listener", &["four", "six"]);
        let by_list = sum(&stats, "lists", "list", &["operator"]);
        let adds_up = ours == by_listener && by_reason(&["denied"]) == by_list;
        (adds_up && by_list.0 > 0).then_some(stats)
    })
    .await;
    let packets = |listener, verdict| {
        let labels = [("listener", listener), ("verdict", verdict)];
        row(&stats, "listeners", &labels).map_or(0, |row| row["packets"].as_u64().unwrap())
    };
    assert!(
        packets("four", "pass") > 0 && packets("six", "pass") > 0,
        "{stats}"
    );
    assert!(packets("four", "drop") > 0, "{stats}");
    assert_eq!(packets("six", "drop"), 0, "{stats}");
}

#[tokio::test]
async fn watching_adds_rates_from_the_second_reading_on() {
    let Some(site) = or_skip(Site::new("rates").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    let config = gateway.config_path().display().to_string();
    assert_eq!(site.call(CLIENT[0], "/open").await.status, 200);
    let mut watching = {
        let _inside = site.inside.enter();
        let mut command = std::process::Command::new(&*BINARY);
        command.args(["stats", "--watch", "--json", "--config", &config]);
        command
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let lines = Lines::read(watching.stdout.take().unwrap());
    let readings = until("two readings", || async {
        let readings = lines.all();
        (readings.len() >= 2).then_some(readings)
    })
    .await;
    watching.kill().unwrap();
    watching.wait().unwrap();
    let has_rates = |line: &String| {
        let stats: Value = serde_json::from_str(line).unwrap();
        ["verdicts", "listeners"].map(|table| {
            let rows = stats[table].as_array().unwrap();
            assert!(!rows.is_empty(), "{stats}");
            rows.iter()
                .all(|row| row["packets_per_second"].is_u64() && row["bytes_per_second"].is_u64())
        })
    };
    assert_eq!(has_rates(&readings[0]), [false, false]);
    assert_eq!(has_rates(&readings[1]), [true, true]);
}

#[tokio::test]
async fn top_shows_who_is_judged_and_how_full_their_buckets_are() {
    let Some(site) = or_skip(Site::new("top").await) else {
        return;
    };
    // Three connections of five: 60 % of a bucket that one per ten minutes hardly drains.
    let rate = json!({"rate": 0.0016, "burst": 5});
    let setup = site
        .setup()
        .set(&["xdp", "connections_per_source"], rate)
        .route("GET /one", json!({"throttle": {"rate": 0.01, "burst": 2}}));
    let gateway = site.start(setup).await;
    let config = gateway.config_path().display().to_string();
    for source in CLIENT {
        for _ in 0..2 {
            assert_eq!(site.call(source, "/open").await.status, 200);
        }
    }
    // Open while it is looked at, which is how an IPv6 network is known.
    let open = site.client(CLIENT[1]).await.unwrap();
    let _other = site.client(CLIENT[0]).await.unwrap();
    let arguments = ["top", "--once", "--interval", "100ms", "--config", &config];
    let frame = site.succeed(&arguments);
    let has = |words: &[&str]| {
        let row = |line: &str| {
            let cells: Vec<&str> = line
                .split(|c: char| c.is_whitespace() || c == '│')
                .filter(|cell| !cell.is_empty())
                .collect();
            cells.windows(words.len()).any(|window| window == words)
        };
        assert!(frame.lines().any(row), "{words:?} in\n{frame}");
    };
    has(&["gateway", &site.instance, "gw0", "native", "calm"]);
    has(&["pass", "new_connection"]);
    has(&["10.77.0.2", "connections", "59%"]);
    has(&["fd77:0:0:2::/64", "connections", "59%"]);
    has(&["main", "GET", "/one"]);
    drop(open);
}

#[tokio::test]
async fn every_metric_is_documented_and_every_documented_one_is_there() {
    let Some(site) = or_skip(Site::new("documented").await) else {
        return;
    };
    let gateway = site.start(site.setup()).await;
    assert_eq!(site.call(CLIENT[0], "/once").await.status, 200);
    let page = site.metrics(&gateway).await;
    let served: BTreeSet<String> = page
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| match line.split_once(' ').unwrap() {
            (name, "counter") => format!("{name}_total"),
            (name, _) => name.to_owned(),
        })
        .collect();
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/observing.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let documented: BTreeSet<String> = guide
        .lines()
        .filter(|line| line.starts_with("| `gateway_"))
        .flat_map(|line| line.split('`').filter(|word| word.starts_with("gateway_")))
        .map(str::to_owned)
        .collect();
    assert_eq!(served, documented);
}

fn stats(site: &Site, config: &str) -> Value {
    let text = site.succeed(&["stats", "--json", "--config", config]);
    serde_json::from_str(&text).unwrap()
}

fn row(stats: &Value, table: &str, labels: &[(&str, &str)]) -> Option<Value> {
    let rows = stats[table].as_array().unwrap();
    let is_it = |row: &&Value| labels.iter().all(|(label, name)| row[label] == *name);
    rows.iter().find(is_it).cloned()
}

/// Packets and bytes of the rows of a table that have one of these labels.
fn sum(stats: &Value, table: &str, label: &str, names: &[&str]) -> (u64, u64) {
    let rows = stats[table].as_array().unwrap().iter();
    let rows = rows.filter(|row| names.iter().any(|name| row[label] == *name));
    rows.fold((0, 0), |(packets, bytes), row| {
        let field = |name: &str| row[name].as_u64().unwrap();
        (packets + field("packets"), bytes + field("bytes"))
    })
}

/// Puts figures into a cell of a pinned map, in place of the program.
fn count(site: &Site, map: &str, index: u32) {
    let mut cells: PerCpuArray<_, Counter> = pinned(&site.instance, map);
    let mut values = vec![Counter::default(); nr_cpus().unwrap()];
    values[0] = SEEN;
    cells
        .set(index, PerCpuValues::try_from(values).unwrap(), 0)
        .unwrap();
}
