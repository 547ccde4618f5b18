//! Room `registry`: the distribution protocol. Linked by the tool and its worker, never by the hook.
