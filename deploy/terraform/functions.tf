# The five functions, six with an archive, each with a role that has what it needs and nothing else.

locals {
  # A secret and, after a #, the place of the database.
  place = {
    for name, each in merge(var.nodes, { for role in ["owner", "writer", "reader"] : "/${role}" => var.store }) :
    name => join("&", [for key, value in { host = each.host, port = each.port, dbname = each.dbname } : "${key}=${urlencode(value)}" if value != null])
  }
  store = {
    owner  = var.store.owner_secret_arn
    writer = var.store.writer_secret_arn
    reader = var.store.reader_secret_arn
  }
  store_reference = { for role, arn in local.store : role => local.place["/${role}"] == "" ? arn : "${arn}#${local.place["/${role}"]}" }
  node_reference  = { for name, node in var.nodes : name => local.place[name] == "" ? node.secret_arn : "${node.secret_arn}#${local.place[name]}" }

  source_secret_arns = [for node in var.nodes : node.secret_arn]
  iam_user_arns      = [for node in var.nodes : node.iam_user_arn if node.iam_user_arn != null]
  tables_claim       = try(var.api.jwt.tables_claim, null)
  sign_in = try(var.api.page, null) == null ? null : jsonencode(merge(
    { issuer = var.api.jwt.issuer, clientId = var.api.page.client_id, scopes = var.api.page.scopes },
    var.api.page.token_origin == null ? {} : { tokenOrigin = var.api.page.token_origin },
  ))

  region      = data.aws_region.current.region
  has_glue    = var.archive != null && try(var.archive.catalog_url, null) == null
  archive_url = var.archive == null ? null : "s3://${var.archive.bucket}/${var.archive.prefix}"
  catalog_url = local.has_glue ? "https://glue.${local.region}.${data.aws_partition.current.dns_suffix}/iceberg" : try(var.archive.catalog_url, null)
  warehouse   = local.has_glue ? coalesce(var.archive.warehouse, data.aws_caller_identity.current.account_id) : try(var.archive.warehouse, null)
  archive_key = try(var.archive.kms_key_arn, null)
  glue_arn    = "arn:${data.aws_partition.current.partition}:glue:${local.region}:${data.aws_caller_identity.current.account_id}"

  all_functions = {
    poller = {
      description = "Reads what the sources have committed into the store"
      timeout     = var.poller.seconds
      memory      = var.poller.memory_mb
      reserved    = var.poller.reserved_concurrency
      sources     = true
      secrets     = [local.store.writer]
      environment = { PGTIMEWARP_STORE_SECRET_ARN = local.store_reference.writer, PGTIMEWARP_SOURCE_SECRET_ARNS = jsonencode(local.node_reference) }
    }
    api = {
      description = "Answers what rows were, and how they changed"
      timeout     = 29 # API Gateway waits 30 s
      memory      = 1024
      reserved    = try(var.api.concurrency, null)
      sources     = false
      secrets     = [local.store.reader]
      environment = merge(
        { PGTIMEWARP_STORE_SECRET_ARN = local.store_reference.reader },
        local.tables_claim == null ? {} : { PGTIMEWARP_TABLES_CLAIM = local.tables_claim },
        local.sign_in == null ? {} : { PGTIMEWARP_SIGN_IN = local.sign_in },
        local.archive_url == null ? {} : { PGTIMEWARP_ARCHIVE_URL = local.archive_url },
      )
    }
    doctor = {
      description = "Examines sources, slots and store"
      timeout     = 120
      memory      = 512
      reserved    = null
      sources     = true
      secrets     = [local.store.writer]
      environment = {
        PGTIMEWARP_STORE_SECRET_ARN   = local.store_reference.writer
        PGTIMEWARP_SOURCE_SECRET_ARNS = jsonencode(local.node_reference)
        PGTIMEWARP_TOPIC_ARN          = aws_sns_topic.alerts.arn
      }
    }
    migrate = {
      description = "Brings schema, logins, nodes and tables to what the deployment says"
      timeout     = 900
      memory      = 1024
      reserved    = null
      sources     = true
      secrets     = values(local.store)
      environment = {
        PGTIMEWARP_STORE_SECRET_ARN  = local.store_reference.owner
        PGTIMEWARP_WRITER_SECRET_ARN = local.store_reference.writer
        PGTIMEWARP_READER_SECRET_ARN = local.store_reference.reader
      }
    }
    maintenance = {
      description = "Does what an operator asks: rebaseline, skip, release-slot"
      timeout     = 600 # so short that a login by IAM from its start is valid until its end
      memory      = var.poller.memory_mb
      reserved    = null
      sources     = true
      secrets     = [local.store.owner, local.store.writer]
      environment = {
        PGTIMEWARP_STORE_SECRET_ARN   = local.store_reference.writer
        PGTIMEWARP_OWNER_SECRET_ARN   = local.store_reference.owner
        PGTIMEWARP_SOURCE_SECRET_ARNS = jsonencode(local.node_reference)
      }
    }
    archiver = {
      description = "Copies old history to the bucket"
      timeout     = 900
      memory      = 1769 # a whole processor; it uses about 400 MB
      reserved    = null
      sources     = false # it needs their names, and none of their secrets
      secrets     = [local.store.writer]
      environment = merge(
        { PGTIMEWARP_STORE_SECRET_ARN = local.store_reference.writer, PGTIMEWARP_SOURCE_SECRET_ARNS = jsonencode(local.node_reference) },
        local.archive_url == null ? {} : { PGTIMEWARP_ARCHIVE_URL = local.archive_url, PGTIMEWARP_CATALOG_URL = local.catalog_url },
        local.warehouse == null ? {} : { PGTIMEWARP_CATALOG_WAREHOUSE = local.warehouse },
        local.has_glue ? { PGTIMEWARP_CATALOG_SIGNING = "glue/${local.region}" } : {},
      )
    }
  }
  absent    = concat(var.api == null ? ["api"] : [], var.archive == null ? ["archiver"] : [])
  functions = { for name, each in local.all_functions : name => each if !contains(local.absent, name) }
  zips      = { for name in keys(local.functions) : name => "${var.artifacts}/pgtimewarp-${var.release}-lambda-${name}.zip" }
}

# Databases admit the functions by this group.
resource "aws_security_group" "functions" {
  name        = "${var.name}-functions"
  description = "Functions of pgtimewarp: let them into source databases by this group"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_vpc_security_group_egress_rule" "functions" {
  security_group_id = aws_security_group.functions.id
  description       = "Databases, Secrets Manager, SNS, S3"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_cloudwatch_log_group" "function" {
  for_each          = local.functions
  name              = "/aws/lambda/${var.name}-${each.key}"
  retention_in_days = var.log_days
  tags              = var.tags
}

data "aws_iam_policy_document" "assume_lambda" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "function" {
  for_each           = local.functions
  name_prefix        = "${substr("${var.name}-${each.key}", 0, 36)}-"
  assume_role_policy = data.aws_iam_policy_document.assume_lambda.json
  tags               = var.tags
}

data "aws_iam_policy_document" "function" {
  for_each = local.functions

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function[each.key].arn}:*"]
  }

  # AWS Lambda Developer Guide, "Giving Lambda functions access to resources in a VPC": these actions accept no resources.
  statement {
    actions = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:UnassignPrivateIpAddresses",
    ]
    resources = ["*"]
  }

  # The same guide: Lambda manages the interfaces, so the code of the function needs no access to them.
  statement {
    effect    = "Deny"
    actions   = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses"]
    resources = ["*"]
    condition {
      test     = "ArnLike"
      variable = "lambda:SourceFunctionArn"
      values   = ["arn:*:lambda:*:*:function:*"]
    }
  }

  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = concat(each.value.secrets, each.value.sources ? local.source_secret_arns : [])
  }

  dynamic "statement" {
    for_each = length(var.kms_key_arns) == 0 ? [] : [var.kms_key_arns]
    content {
      actions   = ["kms:Decrypt"]
      resources = statement.value
      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["secretsmanager.*"]
      }
    }
  }

  dynamic "statement" {
    for_each = each.value.sources && length(local.iam_user_arns) > 0 ? [local.iam_user_arns] : []
    content {
      actions   = ["rds-db:connect"]
      resources = statement.value
    }
  }

  # Objects of the archive: their names have digests of what they contain. The API reads, the archiver writes too.
  dynamic "statement" {
    for_each = var.archive != null && contains(["api", "archiver"], each.key) ? [each.key == "api" ? ["s3:GetObject"] : ["s3:GetObject", "s3:PutObject"]] : []
    content {
      actions   = statement.value
      resources = ["arn:${data.aws_partition.current.partition}:s3:::${var.archive.bucket}/${var.archive.prefix}/*"]
    }
  }

  dynamic "statement" {
    for_each = local.archive_key != null && contains(["api", "archiver"], each.key) ? [each.key == "api" ? ["kms:Decrypt"] : ["kms:Decrypt", "kms:GenerateDataKey"]] : []
    content {
      actions   = statement.value
      resources = [local.archive_key]
      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["s3.*"]
      }
    }
  }

  # A node is a database of the catalog.
  dynamic "statement" {
    for_each = local.has_glue && each.key == "archiver" ? [local.glue_arn] : []
    content {
      actions   = ["glue:CreateDatabase", "glue:CreateTable", "glue:GetCatalog", "glue:GetTable", "glue:UpdateTable"]
      resources = concat(["${statement.value}:catalog"], [for name in keys(var.nodes) : "${statement.value}:database/${name}"], [for name in keys(var.nodes) : "${statement.value}:table/${name}/*"])
    }
  }

  dynamic "statement" {
    for_each = each.key == "doctor" ? [["sns:Publish", aws_sns_topic.alerts.arn], ["kms:Decrypt", aws_kms_key.alerts.arn], ["kms:GenerateDataKey", aws_kms_key.alerts.arn]] : []
    content {
      actions   = [statement.value[0]]
      resources = [statement.value[1]]
    }
  }
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions
  name     = "pgtimewarp"
  role     = aws_iam_role.function[each.key].id
  policy   = data.aws_iam_policy_document.function[each.key].json
}

resource "aws_lambda_function" "function" {
  for_each                       = local.functions
  function_name                  = "${var.name}-${each.key}"
  description                    = each.value.description
  role                           = aws_iam_role.function[each.key].arn
  filename                       = local.zips[each.key]
  source_code_hash               = filebase64sha256(local.zips[each.key])
  handler                        = "index.handler"
  runtime                        = "nodejs24.x"
  architectures                  = ["arm64"]
  memory_size                    = each.value.memory
  timeout                        = each.value.timeout
  reserved_concurrent_executions = each.value.reserved == null ? -1 : each.value.reserved
  tags                           = var.tags

  environment {
    variables = merge(each.value.environment, {
      PGTIMEWARP_VERSION   = var.release
      POWERTOOLS_LOG_LEVEL = "INFO"
      NODE_OPTIONS         = "--max-semi-space-size=4" # keeps the memory of a run small
    })
  }

  ephemeral_storage {
    size = each.key == "archiver" ? 1024 : 512 # files of about 256 MB, one at a time
  }

  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = [aws_security_group.functions.id]
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.function[each.key].name
  }

  depends_on = [aws_iam_role_policy.function]
}

# The next scheduled run is the retry.
resource "aws_lambda_function_event_invoke_config" "function" {
  for_each                     = local.functions
  function_name                = aws_lambda_function.function[each.key].function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}
