"""Reward functions for trainers, one module each; every module's docstring is the recipe.

Settings come from the environment, so that the same file works on every node: `CHARTREWARD_URL`, `CHARTREWARD_KEY`,
`CHARTREWARD_PROFILE` (default chartsimrl), `CHARTREWARD_RUNTIME`, and `CHARTREWARD_ON_FAILURE`: what a sample gets that
the *service* could not score after all retries, where the trainer cannot leave a sample out. `raise` (the default) ends
the run loudly; a number is used as the reward and shows in the `infra_failure` metric. Code that fails by itself
(crash, timeout, no chart) always has a reward: the profile's.
"""
