"""The six steps of latent-space augmentation: `run` has their table, `steps` runs them, `config` says how."""
