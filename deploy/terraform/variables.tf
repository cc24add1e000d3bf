variable "name" {
  description = "The names of all resources begin with it, so that an account can have several deployments."
  type        = string
  default     = "pgtimewarp"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.name))
    error_message = "The name must be lower-case letters, digits and hyphens."
  }
}

variable "artifacts" {
  description = "The folder with the zip files of the functions, as npm run release:artifacts or a release makes them."
  type        = string
}

variable "release" {
  description = "The version in the names of the zip files."
  type        = string
  default     = "0.1.0"
}

variable "vpc_id" {
  description = "The network of the functions."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the functions. They need a way to Secrets Manager, SNS and S3: a NAT gateway, or endpoints."
  type        = list(string)
}

variable "store" {
  description = "The PostgreSQL with the history: the secrets of the login that owns it and of two logins that the deployment makes. The last three are for secrets that lack them."
  type = object({
    owner_secret_arn  = string
    writer_secret_arn = string
    reader_secret_arn = string
    host              = optional(string)
    port              = optional(number)
    dbname            = optional(string)
  })
}

variable "nodes" {
  description = "The observed databases, by the name in questions, metrics, the slot and the publication."
  type = map(object({
    secret_arn    = string
    host          = optional(string)
    port          = optional(number)
    dbname        = optional(string)
    every_minutes = optional(number, 1)
    plugin        = optional(string)
    slot_name     = optional(string)
    iam_user_arn  = optional(string)
    tables = list(object({
      name      = string
      exclude   = optional(list(string), [])
      retention = optional(string)
      baseline  = optional(bool, true)
      no_nan    = optional(bool, false)
      shared    = optional(bool, false)
      archive = optional(object({
        hot      = string
        drop     = optional(bool, false)
        min_rows = optional(number)
      }))
    }))
  }))

  validation {
    condition     = length(var.nodes) > 0 && alltrue([for name, _ in var.nodes : can(regex("^[a-z0-9_]{1,40}$", name))])
    error_message = "There must be a node, and each name must be 1 to 40 lower-case letters, digits or underscores."
  }
}

variable "archive" {
  description = "Where old history of the tables with an archive goes, and how often a run starts, in minutes; null for none. The bucket is not made. Without catalog_url the catalog is AWS Glue; for another one, give the role of the archiver what it wants."
  type = object({
    bucket        = string
    prefix        = optional(string, "history")
    kms_key_arn   = optional(string)
    catalog_url   = optional(string)
    warehouse     = optional(string)
    every_minutes = optional(number, 60)
  })
  default = null

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", try(var.archive.bucket, "none")))
    error_message = "The bucket of the archive must be the name of a bucket."
  }

  validation {
    condition     = can(regex("^[\\w.=-]+(/[\\w.=-]+)*$", try(var.archive.prefix, "none")))
    error_message = "The prefix of the archive must be the name of a folder, such as a/b."
  }

  validation {
    condition     = try(floor(var.archive.every_minutes) == var.archive.every_minutes && var.archive.every_minutes >= 15 && var.archive.every_minutes <= 1440, var.archive == null)
    error_message = "A run of the archive must start every 15 to 1440 minutes: 15 are the time limit of a run."
  }
}

variable "forget_sources" {
  description = "Names of nodes that are observed no more and whose sources are gone for good."
  type        = list(string)
  default     = []
}

variable "kms_key_arns" {
  description = "Customer keys of the secrets. The functions use them through Secrets Manager only."
  type        = list(string)
  default     = []
}

variable "emails" {
  description = "The addresses that get alarms and the reports of doctor. Each must confirm once."
  type        = list(string)
  default     = []
}

variable "doctor_every_minutes" {
  description = "How often doctor examines the nodes."
  type        = number
  default     = 60
}

variable "alarms" {
  description = "When alarms ring: history behind, part of the WAL budget that a slot keeps, 99th percentile of answers, history due to be archived."
  type = object({
    horizon_age_seconds = optional(number, 300)
    wal_budget_percent  = optional(number, 50)
    api_p99_ms          = optional(number, 2000)
    archive_age_seconds = optional(number, 43200)
  })
  default = {}
}

variable "api" {
  description = "The HTTP API; null for none. Without jwt, callers sign their requests and need execute-api:Invoke. With page, browsers get the page, and people sign in at the issuer of jwt."
  type = object({
    requests_per_second = optional(number, 100)
    concurrency         = optional(number)
    cors_origins        = optional(list(string), [])
    jwt = optional(object({
      issuer       = string
      audience     = list(string)
      tables_claim = optional(string)
    }))
    page = optional(object({
      client_id    = string
      scopes       = optional(list(string), ["openid"])
      token_origin = optional(string)
    }))
  })
  default = {}

  validation {
    condition     = try(var.api.page, null) == null || try(var.api.jwt, null) != null
    error_message = "The page needs jwt: people sign in at its issuer. With IAM, requests are signed with AWS credentials, which a browser does not have."
  }

  validation {
    condition     = contains(try(var.api.page.scopes, ["openid"]), "openid")
    error_message = "The scopes of the page must contain openid."
  }

  validation {
    condition     = try(var.api.page.token_origin, null) == null || can(regex("^https://[^/?#@]+$", var.api.page.token_origin))
    error_message = "The token_origin of the page must be a scheme and a host, such as https://example.auth.eu-central-1.amazoncognito.com."
  }
}

variable "poller" {
  description = "The runs: their time limit, memory, and concurrency, which new accounts cannot reserve."
  type = object({
    seconds              = optional(number, 300)
    memory_mb            = optional(number, 1769)
    reserved_concurrency = optional(number)
  })
  default = {}
}

variable "log_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30
}

variable "tags" {
  description = "Tags of all resources that have tags."
  type        = map(string)
  default     = {}
}
