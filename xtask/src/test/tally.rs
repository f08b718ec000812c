//! What the test programs report, read from what they print.
//!
//! Tests are run with `--show-output`, because a test that cannot run here says so in its output,
//! as a line that starts with `skipped: `, and returns. Such a test counts as skipped, not passed.
//! The output of other tests that passed is not shown, unless it is asked for: long proofs print what they found.

use std::collections::BTreeSet;
use std::fmt;
use std::process::ExitCode;

/// How a test says in its output that it could not run.
const SKIPPED: &str = "skipped: ";

/// Sums over all steps.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Whether the output of tests that passed is shown.
    is_telling: bool,
    /// As the programs count: a test that returned without having run is among them.
    reported_passed: usize,
    /// How many of those there were.
    passed_without_running: usize,
    failed_tests: usize,
    /// Names of the tests that ran and passed, as their programs print them.
    passed_tests: BTreeSet<String>,
    /// Steps that failed without a failed test, and skips that were refused: name and reason.
    failures: Vec<(String, String)>,
    /// Name and reason.
    skips: Vec<(String, String)>,
}

impl Tally {
    /// One that shows also what tests print that pass.
    pub(crate) fn telling() -> Self {
        Self {
            is_telling: true,
            ..Self::default()
        }
    }

    fn passed(&self) -> usize {
        self.reported_passed
            .saturating_sub(self.passed_without_running)
    }

    /// Names of the tests that ran and passed so far, such as `router::tests::finds_a_route`.
    pub(crate) const fn passed_tests(&self) -> &BTreeSet<String> {
        &self.passed_tests
    }

    /// Everything so far, whatever became of it.
    pub(crate) fn counted(&self) -> usize {
        self.passed() + self.failed() + self.skips.len()
    }

    /// What a command ends with that ran all this.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.failed() == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    pub(crate) fn failed(&self) -> usize {
        self.failed_tests + self.failures.len()
    }

    pub(crate) fn fail(&mut self, name: &str, why: &str) {
        self.failures.push((name.to_owned(), why.to_owned()));
    }

    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        self.skips.push((name.to_owned(), why.to_owned()));
    }

    /// Makes a failure of every skip so far.
    pub(crate) fn refuse_skips(&mut self) {
        self.failures.append(&mut self.skips);
    }

    /// Reads what one step prints.
    pub(crate) fn program(&mut self) -> Program<'_> {
        Program {
            tally: self,
            passed_output: false,
            test: String::new(),
        }
    }

    fn result(&mut self, line: &str) {
        self.reported_passed += counted(line, "passed");
        self.failed_tests += counted(line, "failed");
        let ignored = counted(line, "ignored");
        for _ in 0..ignored {
            self.skip("a test", "it is marked `ignore`");
        }
    }
}

/// The number before `word` in `test result: ok. 5 passed; 0 failed; ..`; zero where there is none.
fn counted(line: &str, word: &str) -> usize {
    line.split([';', '.'])
        .filter_map(|part| part.trim().strip_suffix(word))
        .find_map(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

/// The lines of one step, from its first to its last.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    tally: &'a mut Tally,
    /// Inside the section with the output of the tests that passed.
    passed_output: bool,
    /// Whose output it is.
    test: String,
}

impl Program<'_> {
    /// Takes the next line. Returns whether it is worth showing.
    pub(crate) fn line(&mut self, line: &str) -> bool {
        let result = line.starts_with("test result: ");
        if line == "successes:" {
            self.passed_output = true;
            // Twice: before what each of them prints, and before their names alone.
            self.test.clear();
        } else if result || line == "failures:" {
            self.passed_output = false;
            self.test.clear();
        }
        if result {
            self.tally.result(line);
        }
        if !self.passed_output {
            let passed = line.strip_prefix("test ");
            if let Some(test) = passed.and_then(|line| line.strip_suffix(" ... ok")) {
                self.tally.passed_tests.insert(test.to_owned());
            }
            return true;
        }
        if let Some(test) = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            test.clone_into(&mut self.test);
        } else if let Some(why) = line.strip_prefix(SKIPPED) {
            self.skipped(why);
        }
        self.tally.is_telling && !self.test.is_empty()
    }

    /// A test that passed without having run. It may say so more than once, and is one test.
    fn skipped(&mut self, why: &str) {
        if self.test.is_empty() {
            return;
        }
        let test = std::mem::take(&mut self.test);
        self.tally.passed_tests.remove(&test);
        self.tally.skip(&test, why);
        self.tally.passed_without_running += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter)?;
        for (label, list) in [("skipped", &self.skips), ("failed", &self.failures)] {
            for (name, why) in list {
                writeln!(formatter, "{label}: {name}: {why}")?;
            }
        }
        write!(
            formatter,
            "{} passed, {} failed",
            self.passed(),
            self.failed()
        )?;
        if !self.skips.is_empty() {
            write!(formatter, ", {} skipped", self.skips.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
running 3 tests
test a ... ok
test b ... ok
test c ... FAILED

successes:

---- a stdout ----
seed 7

---- b stdout ----
skipped: CAP_BPF is missing
skipped: so is everything else

successes:
    a
    b

failures:

---- c stdout ----
skipped: nothing, this is a failed test's own output

failures:
    c

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s";

    fn read(output: &str) -> (Tally, String) {
        read_by(Tally::default(), output)
    }

    fn read_by(mut tally: Tally, output: &str) -> (Tally, String) {
        let mut program = tally.program();
        let shown: Vec<_> = output.lines().filter(|line| program.line(line)).collect();
        (tally, shown.join("\n"))
    }

    fn closing(tally: &Tally) -> String {
        tally
            .to_string()
            .lines()
            .last()
            .expect("a last line")
            .to_owned()
    }

    #[test]
    fn a_test_that_could_not_run_is_skipped_and_not_passed() {
        let (tally, _) = read(OUTPUT);
        assert_eq!(closing(&tally), "1 passed, 1 failed, 1 skipped");
        assert!(
            tally
                .to_string()
                .contains("skipped: b: CAP_BPF is missing\n"),
            "{tally}"
        );
        let ran: Vec<_> = tally.passed_tests().iter().collect();
        assert_eq!(ran, ["a"]);
    }

    #[test]
    fn the_output_of_passed_tests_is_hidden_and_that_of_failed_ones_shown() {
        let (_, shown) = read(OUTPUT);
        assert!(!shown.contains("seed 7"), "{shown}");
        assert!(
            shown.contains("---- c stdout ----\nskipped: nothing"),
            "{shown}"
        );
        assert!(shown.contains("test result: FAILED."), "{shown}");
    }

    #[test]
    fn the_output_of_passed_tests_is_shown_where_it_is_asked_for() {
        let indented = OUTPUT.replace("seed 7", "    found: 7");
        let (_, shown) = read_by(Tally::telling(), &indented);
        assert!(shown.contains("    found: 7\n"), "{shown}");
        let (tally, shown) = read_by(Tally::telling(), OUTPUT);
        assert!(shown.contains("---- a stdout ----\nseed 7\n"), "{shown}");
        assert!(!shown.contains("    a\n"), "{shown}");
        assert_eq!(closing(&tally), "1 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn a_refused_skip_is_a_failure() {
        let (mut tally, _) = read(OUTPUT);
        tally.refuse_skips();
        assert_eq!(closing(&tally), "1 passed, 2 failed");
    }

    #[test]
    fn results_of_several_programs_add_up() {
        let one = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let (tally, _) = read(&[one, one].join("\n"));
        assert_eq!(closing(&tally), "10 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn a_step_without_tests_fails_as_one() {
        let mut tally = Tally::default();
        tally.fail("lints", "`cargo clippy` ended with 101");
        assert_eq!(closing(&tally), "0 passed, 1 failed");
    }
}
