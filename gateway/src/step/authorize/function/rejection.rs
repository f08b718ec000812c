//! How a request is refused whose function was of no help: in every case, and with nothing of what it
//! said.

use http::StatusCode;

use super::result::Wrong;
use crate::aws::invoke::Failure;
use crate::aws::{self, Fault, FaultKind};
use crate::exchange::{Reason, Rejection};
use crate::store::decision::Undecided;
use crate::upstream::CallError;

/// Characters that the log gets of what is wrong.
const DETAIL_CHARACTERS_MAX: usize = 512;

/// When those may come again who are too many.
const RETRY_SECONDS: u64 = 1;

/// Where the function did not return what it has to.
pub(super) fn of_result(wrong: Wrong) -> Rejection {
    let reason = match wrong {
        Wrong::Unauthorized => return Reason::FunctionUnauthorized.into(),
        Wrong::Failed(_) => Reason::FunctionError,
        Wrong::NotJson(_)
        | Wrong::NotAnObject
        | Wrong::Member(..)
        | Wrong::Entry(_)
        | Wrong::Claims
        | Wrong::Policy(_)
        | Wrong::Resource => Reason::FunctionAnswer,
    };
    let detail = wrong.to_string();
    let end = detail.char_indices().nth(DETAIL_CHARACTERS_MAX);
    let shown = end.and_then(|(end, _)| detail.get(..end));
    Rejection::detailed(reason, shown.unwrap_or(&detail).to_owned())
}

/// Where whoever runs it answered with another status than 200.
pub(super) fn of_status(status: StatusCode) -> Rejection {
    let reason = match status {
        // That it is busy or broken passes; that it is not to be called from here does not.
        StatusCode::TOO_MANY_REQUESTS => Reason::FunctionUnreachable,
        status if status.is_server_error() => Reason::FunctionUnreachable,
        _ => Reason::FunctionRefused,
    };
    Rejection::detailed(
        reason,
        format!("the call was answered with status {}", status.as_u16()),
    )
}

/// Where AWS Lambda did not run it.
pub(super) fn of_fault(fault: &Fault) -> Rejection {
    let reason = match fault.kind() {
        FaultKind::Throttled | FaultKind::Service => Reason::FunctionUnreachable,
        FaultKind::Permission | FaultKind::Missing | FaultKind::Request => Reason::FunctionRefused,
    };
    Rejection::detailed(reason, format!("AWS Lambda answered {fault}"))
}

/// Where AWS Lambda gave no answer, or was not called.
pub(super) fn of_failure(failure: Failure) -> Rejection {
    let reason = match failure {
        Failure::Call(aws::CallError::Call(error)) => return of_call(error),
        Failure::Call(aws::CallError::Credentials(_) | aws::CallError::Sign(_)) => {
            Reason::FunctionCredentials
        }
        Failure::Request(_) => Reason::FunctionRefused,
    };
    Rejection::detailed(reason, failure.to_string())
}

/// Where there was no answer.
pub(super) fn of_call(error: CallError) -> Rejection {
    let reason = match error {
        CallError::Send(_) | CallError::Broken(_) => Reason::FunctionUnreachable,
        CallError::Timeout(_) => Reason::FunctionTimeout,
        CallError::TooLarge(_) => Reason::FunctionAnswer,
        CallError::Memory(none) => return none.into(),
    };
    Rejection::detailed(reason, error.to_string())
}

/// Where nobody came to know what others had asked, or where too many want to.
pub(super) fn of_undecided(undecided: Undecided<Rejection>) -> Rejection {
    match undecided {
        Undecided::Failed(rejection) => rejection,
        Undecided::Crowded => Rejection {
            retry_after_seconds: Some(RETRY_SECONDS),
            ..Rejection::new(Reason::FunctionBusy)
        },
        Undecided::Abandoned => {
            Rejection::detailed(Reason::FunctionUnreachable, "who had asked it has ended")
        }
    }
}
