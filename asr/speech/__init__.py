"""What is heard: manifests, audio, features, augmentation, batches."""
