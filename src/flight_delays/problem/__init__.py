"""The sample problem: what a team replaces with its own sources, features, model and policy."""
