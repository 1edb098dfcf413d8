"""A faithful local EC2 for golden AMIs: moto is the shell, the image core is ours."""
