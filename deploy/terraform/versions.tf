terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.22, < 7.0" # the first that knows nodejs24.x
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}
