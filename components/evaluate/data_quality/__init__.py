"""What a trained model says of the data: labels that another class fits better, and photos unlike all others."""
