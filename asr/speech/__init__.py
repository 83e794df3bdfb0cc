"""Speech: manifests, audio, features, augmentation, batches."""
