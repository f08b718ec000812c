//! When periods of quotas end, as the script that Redis runs has it.

use gateway::model::Period;
use gateway_tests::redis::Redis;

use crate::program;

const SCRIPT: &str = include_str!("../../../gateway/src/store/fleet/quota.lua");
const DAY: u64 = 86_400;

#[test]
fn periods_end_when_those_of_a_gateway_on_its_own_do() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let redis = Redis::start(&program, &[]);
    let clock = "redis.call('TIME')";
    assert_eq!(SCRIPT.matches(clock).count(), 1);
    // At each moment of the argument: the script as it is, but for the clock and what it keeps.
    let body = SCRIPT
        .replace(clock, "({moment, '250000'})")
        .replace("redis.call('GET', gateway)", "false")
        .replace(
            "redis.call('HMGET', quota, 'period', 'taken', 'bound')",
            "{false, false, false}",
        );
    let script = format!(
        "local ends = {{}}\nfor moment in string.gmatch(ARGV[14], '%d+') do\n\
         local function ask()\n{body}\nend\nlocal said = ask()\n\
         ends[#ends + 1] = string.format('%.0f %d', said[4], said[6])\nend\n\
         return table.concat(ends, ',')"
    );
    // 2024 was a leap year, 2100 is none; the last and the first second of months, weeks and days.
    let years = [1_704_067_200_u64, 4_102_444_800, 951_782_400];
    let moments: Vec<u64> = years
        .iter()
        .flat_map(|year| (0..430).map(move |day| year + day * DAY))
        .flat_map(|midnight| [midnight - 1, midnight, midnight + 43_210])
        .collect();
    let text: Vec<String> = moments.iter().map(u64::to_string).collect();
    for (kind, period) in [
        ("day", Period::Day),
        ("week", Period::Week),
        ("month", Period::Month),
    ] {
        let text = text.join(" ");
        // One that was admitted by a share in the middle of it all.
        let at = moments[moments.len() / 5];
        let told = at.to_string();
        let words = [
            "eval", &script, "2", "{q}", "{q}:1", "1", "0", "0", "0", "1", "1", &told, "1", kind,
            "1000000", "0", "0", "", &text,
        ];
        let said = redis.ask(&words);
        let ends: Vec<(u64, u8)> = said
            .split(',')
            .map(|end| {
                let (left, told) = end.split_once(' ').expect(&said);
                (left.parse().unwrap(), told.parse().unwrap())
            })
            .collect();
        assert_eq!(ends.len(), moments.len());
        for (&moment, (left, told)) in moments.iter().zip(ends) {
            let end = period.span(moment).end;
            assert_eq!(
                moment * 1_000_000 + 250_000 + left,
                end * 1_000_000,
                "{kind} at {moment}"
            );
            let is_same = period.number(moment) == period.number(at);
            assert_eq!(told == 1, is_same, "{kind} at {moment}");
        }
    }
}
