use super::*;
use crate::agent::lifecycle::AgentError;
use crate::runtime::error_chain::error_chain;

#[tokio::test]
async fn panic_of_a_task_is_an_error_of_the_agent() {
    let mut tasks = JoinSet::new();
    spawn_named(&mut tasks, "injected", async {
        panic!("an injected panic")
    });
    let ended = tasks.join_next().await.unwrap();
    let error = error_chain(&AgentError::from(ended.unwrap_err()));
    assert!(error.starts_with("the agent's own code failed"), "{error}");
    assert!(error.contains("an injected panic"), "{error}");
}
