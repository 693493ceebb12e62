"""The model under the tests that Transformers shares between all of its models."""
