"""The manifests, the pipeline and the guide on a real Kubernetes: the throwaway cluster that KUBECONFIG names."""
