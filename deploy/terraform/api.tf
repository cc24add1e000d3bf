# The HTTP API in front of its function: every route needs an authorised caller.

locals {
  has_api  = var.api != null
  has_jwt  = try(var.api.jwt, null) != null
  has_cors = try(length(var.api.cors_origins), 0) > 0

  page = try(var.api.page, null)
  # The files of the page, which have no data. A browser loads them before anybody has signed in.
  page_paths = local.page == null ? [] : ["/", "/ui", "/ui/{proxy+}", "/assets/{proxy+}"]
}

resource "aws_apigatewayv2_api" "http" {
  count         = local.has_api ? 1 : 0
  name          = var.name
  description   = "pgtimewarp: rows as they were"
  protocol_type = "HTTP"
  tags          = var.tags

  dynamic "cors_configuration" {
    for_each = local.has_cors ? [var.api.cors_origins] : []
    content {
      allow_origins  = cors_configuration.value
      allow_methods  = ["GET", "HEAD", "POST"]
      allow_headers  = ["authorization", "content-type", "if-none-match", "x-amz-date", "x-amz-security-token"]
      expose_headers = ["allow", "etag", "retry-after"]
      max_age        = 600
    }
  }
}

resource "aws_apigatewayv2_authorizer" "jwt" {
  count            = local.has_api && local.has_jwt ? 1 : 0
  api_id           = aws_apigatewayv2_api.http[0].id
  name             = "jwt"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.api.jwt.issuer
    audience = var.api.jwt.audience
  }
}

resource "aws_apigatewayv2_integration" "api" {
  count                  = local.has_api ? 1 : 0
  api_id                 = aws_apigatewayv2_api.http[0].id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.function["api"].arn
  payload_format_version = "2.0"
}

# The function refuses methods that write, with a problem document.
resource "aws_apigatewayv2_route" "all" {
  count              = local.has_api ? 1 : 0
  api_id             = aws_apigatewayv2_api.http[0].id
  route_key          = "ANY /{proxy+}"
  target             = "integrations/${aws_apigatewayv2_integration.api[0].id}"
  authorization_type = local.has_jwt ? "JWT" : "AWS_IAM"
  authorizer_id      = local.has_jwt ? aws_apigatewayv2_authorizer.jwt[0].id : null
}

# The preflight request of a browser has no signature and no token; it reads nothing.
resource "aws_apigatewayv2_route" "preflight" {
  count              = local.has_api && local.has_cors ? 1 : 0
  api_id             = aws_apigatewayv2_api.http[0].id
  route_key          = "OPTIONS /{proxy+}"
  target             = "integrations/${aws_apigatewayv2_integration.api[0].id}"
  authorization_type = "NONE"
}

# The function gives the files of the page without a token, and nothing else.
resource "aws_apigatewayv2_route" "page" {
  for_each           = toset(local.page_paths)
  api_id             = aws_apigatewayv2_api.http[0].id
  route_key          = "GET ${each.key}"
  target             = "integrations/${aws_apigatewayv2_integration.api[0].id}"
  authorization_type = "NONE"
}

resource "aws_lambda_permission" "page" {
  for_each      = toset(local.page_paths)
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.function["api"].function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.http[0].execution_arn}/*/GET${each.key}"
}

resource "aws_lambda_permission" "api" {
  count         = local.has_api ? 1 : 0
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.function["api"].function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.http[0].execution_arn}/*/*/{proxy+}"
}

resource "aws_cloudwatch_log_group" "requests" {
  count             = local.has_api ? 1 : 0
  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.log_days
  tags              = var.tags
}

resource "aws_apigatewayv2_stage" "default" {
  count       = local.has_api ? 1 : 0
  api_id      = aws_apigatewayv2_api.http[0].id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  # without the query, which has keys of rows
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.requests[0].arn
    format = jsonencode({
      time    = "$context.requestTime"
      request = "$context.requestId"
      ip      = "$context.identity.sourceIp"
      method  = "$context.httpMethod"
      path    = "$context.path"
      status  = "$context.status"
      bytes   = "$context.responseLength"
      millis  = "$context.responseLatency"
      error   = "$context.error.message"
    })
  }

  default_route_settings {
    throttling_rate_limit  = var.api.requests_per_second
    throttling_burst_limit = 2 * var.api.requests_per_second
  }

  # the store has the schema of the new version before the API is there
  depends_on = [aws_cloudformation_stack.databases]
}
