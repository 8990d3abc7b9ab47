use super::*;

#[tokio::test]
async fn a_task_that_panics_is_an_error_of_the_agents() {
    let mut tasks = JoinSet::new();
    tasks.spawn(named("injected", async { panic!("an injected panic") }));
    let ended = tasks.join_next().await.unwrap();
    let error = AgentError::from(ended.unwrap_err());
    let told = error_chain(&error);
    assert!(told.starts_with("the agent's own code failed"), "{told}");
    assert!(told.contains("an injected panic"), "{told}");
}
