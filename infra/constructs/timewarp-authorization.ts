/** Who may ask the HTTP API. */
import type { IHttpRouteAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer, HttpJwtAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';

/** The tokens that callers carry. */
export interface JwtAuthorizationProps {
  readonly issuer: string;
  readonly audience: string[];
  /**
   * The claim that names the nodes and tables that a caller may read.
   * @default every caller may read all
   */
  readonly tablesClaim?: string;
}

/** Who may ask the HTTP API. */
export class TimewarpAuthorization {
  /** Callers sign their requests and need `execute-api:Invoke` (`Timewarp.grantQuery`). */
  static iam(): TimewarpAuthorization {
    return new TimewarpAuthorization(undefined);
  }

  /** Callers carry a token of an issuer. */
  static jwt(props: JwtAuthorizationProps): TimewarpAuthorization {
    return new TimewarpAuthorization(props);
  }

  /** @internal */
  readonly _tablesClaim: string | null;
  /** @internal */
  readonly _issuer: string | null;
  readonly #jwt: JwtAuthorizationProps | undefined;

  private constructor(jwt: JwtAuthorizationProps | undefined) {
    this.#jwt = jwt;
    this._tablesClaim = jwt?.tablesClaim ?? null;
    this._issuer = jwt?.issuer ?? null;
  }

  /** @internal */
  _authorizer(): IHttpRouteAuthorizer {
    if (this.#jwt === undefined) return new HttpIamAuthorizer();
    return new HttpJwtAuthorizer('Jwt', this.#jwt.issuer, { jwtAudience: [...this.#jwt.audience] });
  }
}
