"""Tests of the manifests, the pipeline and the guide on a real, throwaway Kubernetes cluster, named by KUBECONFIG."""
