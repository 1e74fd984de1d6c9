"""What people reported, each as a test named by what they saw."""
