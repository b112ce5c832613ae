"""Tests of the manifests, the pipeline and the guide on a real Kubernetes cluster: the throwaway one in KUBECONFIG."""
