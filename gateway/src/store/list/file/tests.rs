use super::*;

#[track_caller]
fn check(format: ListFormat, content: &str, expected: Result<&[&str], &str>) {
    let path = Path::new("drop.txt");
    let parsed = parse(path, content.as_bytes(), format);
    let shown = match &parsed {
        Ok(prefixes) => Ok(prefixes.iter().map(ToString::to_string).collect::<Vec<_>>()),
        Err(error) => Err(error.to_string()),
    };
    match (shown, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found, expected),
        (Err(found), Err(expected)) => assert_eq!(found, expected),
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}

#[test]
fn plain_lists_have_one_prefix_per_line_and_comments() {
    let content = "# FireHOL\r\n; DROP\n\n10.0.0.0/8\n  192.0.2.7 # one\n\
                   198.51.100.0/24 ; SBL1\n2001:db8::/32\r\n";
    let expected = [
        "10.0.0.0/8",
        "192.0.2.7/32",
        "198.51.100.0/24",
        "2001:db8::/32",
    ];
    check(ListFormat::Auto, content, Ok(&expected));
    check(ListFormat::Plain, content, Ok(&expected));
    check(ListFormat::Auto, "", Ok(&[]));
    check(ListFormat::Auto, "# nobody\n", Ok(&[]));
}

#[test]
fn a_bad_line_is_named_with_its_number_and_cause() {
    for (content, expected) in [
        (
            "10.0.0.0/8\n\nten\n",
            "drop.txt:3: `ten` is not an IP address: write one, or a prefix such as `192.0.2.0/24`",
        ),
        (
            "10.0.0.1/8",
            "drop.txt:1: `10.0.0.1/8` has bits set behind its length: did you mean `10.0.0.0/8`?",
        ),
        (
            "192.0.2.1 192.0.2.2",
            "drop.txt:1: `192.0.2.2` follows the prefix: one address or prefix per line, \
             comments after `#` or `;`",
        ),
        (
            "0.0.0.0/0",
            "drop.txt:1: `0.0.0.0/0` covers every source of its family: no list of addresses \
             means that",
        ),
        (
            "192.0.2.1-192.0.2.9",
            "drop.txt:1: `192.0.2.1-192.0.2.9` is not an IP address: write one, or a prefix such as `192.0.2.0/24`",
        ),
    ] {
        check(ListFormat::Auto, content, Err(expected));
    }
    let parsed = parse(
        Path::new("drop.txt"),
        b"10.0.0.0/8\n\xff\xfe\n",
        ListFormat::Plain,
    );
    assert_eq!(
        parsed.unwrap_err().to_string(),
        "drop.txt:2: this is not UTF-8"
    );
}

#[test]
fn ipset_saves_are_read_and_what_would_lose_its_meaning_is_refused() {
    let content = "create bad hash:net family inet hashsize 1024 maxelem 65536 comment\n\
                   add bad 192.0.2.0/24 timeout 0 comment \"a nomatch\"\n\
                   create bad6 hash:ip family inet6\nadd bad6 2001:db8::1 packets 0 bytes 0\n";
    let expected = ["192.0.2.0/24", "2001:db8::1/128"];
    check(ListFormat::Auto, content, Ok(&expected));
    check(ListFormat::Ipset, content, Ok(&expected));
    for (rest, expected) in [
        (
            "add bad 192.0.2.1 nomatch",
            "drop.txt:2: an entry with `nomatch` is not read: its meaning would be lost",
        ),
        (
            "add bad 192.0.2.1 timeout 60",
            "drop.txt:2: an entry with `timeout` is not read: its meaning would be lost",
        ),
        (
            "add other 192.0.2.1",
            "drop.txt:2: the set `other` is not created in this file",
        ),
        (
            "create ports hash:ip,port",
            "drop.txt:2: a set of type `hash:ip,port` is not read: only `hash:ip` and `hash:net` \
             are",
        ),
        (
            "flush bad",
            "drop.txt:2: `flush` is not read: only `create` and `add` are",
        ),
        ("add bad", "drop.txt:2: this line ends too early"),
    ] {
        let content = format!("create bad hash:net\n{rest}\n");
        check(ListFormat::Ipset, &content, Err(expected));
    }
}

#[test]
fn json_is_read_in_the_documented_forms() {
    let two = ["192.0.2.0/24", "2001:db8::/32"];
    for content in [
        r#"["192.0.2.0/24", "2001:db8::/32"]"#,
        r#"[{"cidr": "192.0.2.0/24", "sblid": "SBL1"}, {"prefix": "2001:db8::/32", "n": 1}]"#,
        "{\"cidr\":\"192.0.2.0/24\"}\n{\"cidr\":\"2001:db8::/32\"}\n\
         {\"type\":\"metadata\",\"records\":2}\n",
        r#"{"syncToken": "1", "prefixes": [{"ipv4Prefix": "192.0.2.0/24", "scope": "x"},
            {"ipv6Prefix": "2001:db8::/32"}]}"#,
        r#"{"createDate": "x", "prefixes": [{"ip_prefix": "192.0.2.0/24", "region": "r"}],
            "ipv6_prefixes": [{"ipv6_prefix": "2001:db8::/32"}]}"#,
        r#"{"addresses": ["192.0.2.0/24"], "ipv6_addresses": ["2001:db8::/32"]}"#,
    ] {
        check(ListFormat::Auto, content, Ok(&two));
    }
    check(ListFormat::Json, "[]", Ok(&[]));
}

#[test]
fn json_of_another_form_is_refused_where_it_stands() {
    for (content, expected) in [
        (
            "[\n \"192.0.2.0/24\",\n \"ten\"]",
            "drop.txt:3:6: `ten` is not an IP address: write one, or a prefix such as `192.0.2.0/24`",
        ),
        (
            "[7]",
            "drop.txt:1:2: invalid type: integer `7`, expected a prefix, or an object with a \
             prefix",
        ),
        (
            "[[\"192.0.2.0/24\"]]",
            "drop.txt:1:2: invalid type: sequence, expected a prefix, or an object with a \
             prefix",
        ),
        (
            "{\"other\": [\"192.0.2.0/24\"]}",
            "drop.txt:1:11: invalid type: sequence, expected text, a number, `true`, `false` or \
             `null` in a field that is ignored",
        ),
        (
            "[{\"name\": \"x\"}]",
            "drop.txt:1:14: this object has none of the fields `prefix`, `cidr`, `ip`, \
             `ipv4Prefix`, `ipv6Prefix`, `ip_prefix`, `ipv6_prefix`",
        ),
        (
            "[\"192.0.2.0/24\"",
            "drop.txt:1:15: EOF while parsing a list",
        ),
    ] {
        check(ListFormat::Json, content, Err(expected));
    }
}

#[test]
fn files_are_regular_readable_and_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("list");
    let error = read(&path, ListFormat::Auto).unwrap_err();
    assert!(matches!(error, FileError::Io { call: "read", .. }));
    let error = read(directory.path(), ListFormat::Auto).unwrap_err();
    assert!(matches!(error, FileError::NotRegular(_)));
    std::fs::write(&path, "192.0.2.1\n").unwrap();
    let (prefixes, stamp) = read(&path, ListFormat::Auto).unwrap();
    assert_eq!(prefixes.len(), 1);
    assert_eq!(Stamp::now(&path).unwrap(), stamp);
    std::fs::write(&path, "192.0.2.1\n192.0.2.2\n").unwrap();
    assert_ne!(Stamp::now(&path).unwrap(), stamp);
    let file = File::create(&path).unwrap();
    file.set_len(LIST_FILE_BYTES_MAX + 1).unwrap();
    let error = read(&path, ListFormat::Auto).unwrap_err();
    assert!(matches!(error, FileError::TooLarge(_)), "{error}");
}
