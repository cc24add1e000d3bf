# The topic of alarms and of doctor's reports, and the alarms. Every alarm says how it treats missing data: where silence is the fault, it rings.

resource "aws_kms_key" "alerts" {
  description             = "Messages of pgtimewarp on their way" # CloudWatch may not use the default key of SNS
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.alerts_key.json
  tags                    = var.tags
}

data "aws_iam_policy_document" "alerts_key" {
  statement {
    sid       = "Account"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }
  statement {
    sid       = "Alarms"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_partition" "current" {}

resource "aws_sns_topic" "alerts" {
  name              = "${var.name}-alerts"
  kms_master_key_id = aws_kms_key.alerts.arn
  tags              = var.tags
}

data "aws_iam_policy_document" "alerts" {
  statement {
    sid       = "Alarms"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alerts.arn]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
  statement {
    sid       = "EncryptedOnly"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alerts.arn]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sns_topic_policy" "alerts" {
  arn    = aws_sns_topic.alerts.arn
  policy = data.aws_iam_policy_document.alerts.json
}

resource "aws_sns_topic_subscription" "email" {
  for_each  = toset(var.emails)
  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = each.value
}

locals {
  node_alarms = merge([
    for name, node in var.nodes : {
      "horizon-age-${name}" = {
        metric    = "HorizonAgeInSeconds", service = "poller", node = name, period = 60 * node.every_minutes
        text      = "The history of ${name} is behind, or no run reports: see its runs in the log of the poller."
        threshold = var.alarms.horizon_age_seconds, operator = "GreaterThanThreshold", periods = 3, missing = "breaching"
      }
      "slot-wal-${name}" = {
        metric    = "WalBudgetUsedInPercent", service = "poller", node = name, period = 60 * node.every_minutes
        text      = "The slot of ${name} keeps too much of its WAL budget on the source: doctor names what holds the WAL."
        threshold = var.alarms.wal_budget_percent, operator = "GreaterThanThreshold", periods = 1, missing = "ignore"
      }
      "runs-failed-${name}" = {
        metric    = "RunsFailed", service = "poller", node = name, period = 60 * node.every_minutes
        text      = "Three runs of ${name} in a row failed: the log of the poller names the cause."
        threshold = 1, operator = "GreaterThanOrEqualToThreshold", periods = 3, missing = "notBreaching"
      }
      "gaps-${name}" = {
        metric    = "OpenGaps", service = "doctor", node = name, period = 60 * var.doctor_every_minutes
        text      = "Changes of ${name} were lost: rebaseline, by command or maintenance event (docs/run-books.md)."
        threshold = 1, operator = "GreaterThanOrEqualToThreshold", periods = 1, missing = "ignore"
      }
    }
  ]...)

  archive_alarms = var.archive == null ? {} : {
    archive-fails = {
      metric    = "NodesNotArchived", period = 60 * var.archive.every_minutes
      text      = "Three runs of the archive in a row failed, or found a node busy, or none reports: the log of the archiver names the cause."
      threshold = 1, operator = "GreaterThanOrEqualToThreshold", periods = 3, missing = "breaching"
    }
    archive-late = {
      metric    = "WorstDueUnitAgeInSeconds", period = 60 * var.archive.every_minutes
      text      = "History has been due to be archived for too long, and retention waits for it: the log of the archiver names the node."
      threshold = var.alarms.archive_age_seconds, operator = "GreaterThanThreshold", periods = 1, missing = "ignore"
    }
  }

  function_alarms = merge(
    { for name in ["poller", "doctor", "api", "archiver"] : "throttles-${name}" => {
      metric    = "Throttles", function = name, period = 300, periods = 1
      text      = "Lambda refuses calls of the function ${name}: raise its concurrency or that of the account."
      threshold = 1, operator = "GreaterThanOrEqualToThreshold", missing = "notBreaching"
    } if contains(keys(local.functions), name) },
    {
      doctor-silent = {
        metric    = "Invocations", function = "doctor", period = 60 * var.doctor_every_minutes, periods = 2
        text      = "Doctor does not run: check its schedule."
        threshold = 1, operator = "LessThanThreshold", missing = "breaching"
      }
      doctor-fails = {
        metric    = "Errors", function = "doctor", period = 60 * var.doctor_every_minutes, periods = 1
        text      = "Doctor ends with an error: its log names the cause."
        threshold = 1, operator = "GreaterThanOrEqualToThreshold", missing = "notBreaching"
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "archive" {
  for_each            = local.archive_alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = "pgtimewarp"
  metric_name         = each.value.metric
  dimensions          = { service = "archiver", function_name = aws_lambda_function.function["archiver"].function_name }
  statistic           = "Maximum"
  period              = each.value.period
  evaluation_periods  = each.value.periods
  threshold           = each.value.threshold
  comparison_operator = each.value.operator
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "node" {
  for_each            = local.node_alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = "pgtimewarp"
  metric_name         = each.value.metric
  dimensions          = { service = each.value.service, node = each.value.node, function_name = aws_lambda_function.function[each.value.service].function_name }
  statistic           = "Maximum"
  period              = each.value.period
  evaluation_periods  = each.value.periods
  threshold           = each.value.threshold
  comparison_operator = each.value.operator
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "worst_horizon_age" {
  alarm_name          = "${var.name}-worst-horizon-age"
  alarm_description   = "The history of a node is behind, or no run reports: status shows the horizons of all nodes."
  namespace           = "pgtimewarp"
  metric_name         = "WorstHorizonAgeInSeconds"
  dimensions          = { service = "poller", function_name = aws_lambda_function.function["poller"].function_name }
  statistic           = "Maximum"
  period              = 60 * min([for node in var.nodes : node.every_minutes]...)
  evaluation_periods  = 3
  threshold           = var.alarms.horizon_age_seconds + 60 * (max([for node in var.nodes : node.every_minutes]...) - 1)
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "function" {
  for_each            = local.function_alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = "AWS/Lambda"
  metric_name         = each.value.metric
  dimensions          = { FunctionName = aws_lambda_function.function[each.value.function].function_name }
  statistic           = "Sum"
  period              = each.value.period
  evaluation_periods  = each.value.periods
  threshold           = each.value.threshold
  comparison_operator = each.value.operator
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "api_errors" {
  count               = local.has_api ? 1 : 0
  alarm_name          = "${var.name}-api-errors"
  alarm_description   = "The HTTP API answers 5xx: the log of the api function has the instance of each."
  namespace           = "AWS/ApiGateway"
  metric_name         = "5xx"
  dimensions          = { ApiId = aws_apigatewayv2_api.http[0].id, Stage = "$default" }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "api_latency" {
  count               = local.has_api ? 1 : 0
  alarm_name          = "${var.name}-api-latency"
  alarm_description   = "One answer in a hundred takes longer than the limit: check capacity and connections of the store."
  namespace           = "AWS/ApiGateway"
  metric_name         = "Latency"
  dimensions          = { ApiId = aws_apigatewayv2_api.http[0].id, Stage = "$default" }
  extended_statistic  = "p99"
  period              = 300
  evaluation_periods  = 3
  threshold           = var.alarms.api_p99_ms
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
  tags                = var.tags
}
