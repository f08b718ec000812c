//! The clock of the program.

use gateway_common::name;
use gateway_tests::capability::or_skip;
use gateway_tests::object::Object;

#[test]
fn the_tick_program_reports_both_clocks() {
    let Some(mut object) = or_skip(Object::load()) else {
        return;
    };
    let (jiffies, now) = object.tick().unwrap();
    let (later_jiffies, later) = object.tick().unwrap();
    assert!(now > 0 && later > now && later_jiffies >= jiffies);
    let e = object.run(name::PROGRAM_EDGE, &[0; 64], 1000000).unwrap();
    let z = object.run(name::PROGRAM_EMPTY, &[0; 64], 1000000).unwrap();
    eprintln!("{e:?} {z:?}");
}
