//! `gateway top`, where there is nothing to be seen or nowhere to show it.

use gateway_tests::setup::Setup;

use crate::{gateway, stderr};

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let output = gateway(&["top"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    for text in ["a terminal", "gateway stats --watch", "--once"] {
        assert!(said.contains(text), "{said}");
    }
}

#[test]
fn where_nothing_was_ever_started_it_says_so() {
    let setup = Setup::forwarding("127.0.0.1:9".parse().unwrap())
        .set(&["instance"], "nobody-started-this".into());
    let file = setup.write();
    let output = gateway(&["top", "--once", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("start it with `gateway run`"), "{said}");
}
