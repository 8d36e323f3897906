//! One entry of `scrape_configs` as a file spells it: every key of Prometheus's manual.

use super::{FileSdConfig, StaticConfig};
use crate::relabel::RawRule;
use reach::config::{Authorization, BasicAuth, HeaderConfig, HttpConfig, Secret, TlsConfig};
use serde::{Deserialize, de::IgnoredAny};
use serde_saphyr::Spanned;
use std::{collections::BTreeMap, path::PathBuf};

/// The raw form.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the key of the same name in Prometheus's manual")]
pub struct ScrapeConfig {
    pub job_name: Option<Spanned<String>>,
    pub scrape_interval: Option<Spanned<String>>,
    pub scrape_timeout: Option<Spanned<String>>,
    pub metrics_path: Option<Spanned<String>>,
    pub scheme: Option<Spanned<String>>,
    pub params: Option<BTreeMap<String, Vec<String>>>,
    pub honor_labels: Option<bool>,
    pub honor_timestamps: Option<bool>,
    pub track_timestamps_staleness: Option<bool>,
    pub enable_compression: Option<bool>,
    pub scrape_protocols: Option<Spanned<Vec<Spanned<String>>>>,
    pub fallback_scrape_protocol: Option<Spanned<String>>,
    pub body_size_limit: Option<Spanned<String>>,
    pub sample_limit: Option<usize>,
    pub target_limit: Option<usize>,
    pub label_limit: Option<usize>,
    pub label_name_length_limit: Option<usize>,
    pub label_value_length_limit: Option<usize>,
    pub keep_dropped_targets: Option<usize>,
    pub scrape_failure_log_file: Option<Spanned<String>>,
    pub extra_scrape_metrics: Option<bool>,
    pub metric_name_validation_scheme: Option<Spanned<String>>,
    pub metric_name_escaping_scheme: Option<Spanned<String>>,
    pub scrape_classic_histograms: Option<IgnoredAny>,
    pub always_scrape_classic_histograms: Option<bool>,
    pub scrape_native_histograms: Option<Spanned<bool>>,
    pub convert_classic_histograms_to_nhcb: Option<Spanned<bool>>,
    pub native_histogram_bucket_limit: Option<u64>,
    pub native_histogram_min_bucket_factor: Option<f64>,
    pub relabel_configs: Option<Vec<Spanned<Option<RawRule>>>>,
    pub metric_relabel_configs: Option<Vec<Spanned<Option<RawRule>>>>,

    pub basic_auth: Option<Spanned<BasicAuth>>,
    pub authorization: Option<Spanned<Authorization>>,
    pub bearer_token: Option<Spanned<Secret>>,
    pub bearer_token_file: Option<Spanned<PathBuf>>,
    pub oauth2: Option<Spanned<serde_json::Value>>,
    pub tls_config: Option<Spanned<TlsConfig>>,
    pub follow_redirects: Option<bool>,
    pub enable_http2: Option<bool>,
    pub proxy_url: Option<Spanned<String>>,
    pub no_proxy: Option<Spanned<String>>,
    pub proxy_from_environment: Option<Spanned<bool>>,
    pub proxy_connect_header: Option<Spanned<serde_json::Value>>,
    pub http_headers: Option<BTreeMap<String, Spanned<HeaderConfig>>>,

    pub static_configs: Option<Vec<Spanned<Option<StaticConfig>>>>,
    pub file_sd_configs: Option<Vec<Spanned<Option<FileSdConfig>>>>,

    pub aws_sd_configs: Other,
    pub azure_sd_configs: Other,
    pub consul_sd_configs: Other,
    pub digitalocean_sd_configs: Other,
    pub dns_sd_configs: Other,
    pub docker_sd_configs: Other,
    pub dockerswarm_sd_configs: Other,
    pub ec2_sd_configs: Other,
    pub ecs_sd_configs: Other,
    pub elasticache_sd_configs: Other,
    pub eureka_sd_configs: Other,
    pub gce_sd_configs: Other,
    pub hetzner_sd_configs: Other,
    pub http_sd_configs: Other,
    pub ionos_sd_configs: Other,
    pub kubernetes_sd_configs: Other,
    pub kuma_sd_configs: Other,
    pub lightsail_sd_configs: Other,
    pub linode_sd_configs: Other,
    pub marathon_sd_configs: Other,
    pub msk_sd_configs: Other,
    pub nerve_sd_configs: Other,
    pub nomad_sd_configs: Other,
    pub oci_sd_configs: Other,
    pub openstack_sd_configs: Other,
    pub outscale_sd_configs: Other,
    pub ovhcloud_sd_configs: Other,
    pub puppetdb_sd_configs: Other,
    pub rds_sd_configs: Other,
    pub scaleway_sd_configs: Other,
    pub serverset_sd_configs: Other,
    pub stackit_sd_configs: Other,
    pub triton_sd_configs: Other,
    pub uyuni_sd_configs: Other,
    pub vultr_sd_configs: Other,
}

/// A kind of discovery that is understood as a key only.
pub type Other = Option<Spanned<IgnoredAny>>;

impl ScrapeConfig {
    /// The keys of the HTTP client among these.
    pub fn http(&self) -> HttpConfig {
        HttpConfig {
            basic_auth: self.basic_auth.clone(),
            authorization: self.authorization.clone(),
            bearer_token: self.bearer_token.clone(),
            bearer_token_file: self.bearer_token_file.clone(),
            oauth2: self.oauth2.clone(),
            tls_config: self.tls_config.clone(),
            follow_redirects: self.follow_redirects,
            enable_http2: self.enable_http2,
            proxy_url: self.proxy_url.clone(),
            no_proxy: self.no_proxy.clone(),
            proxy_from_environment: self.proxy_from_environment.clone(),
            proxy_connect_header: self.proxy_connect_header.clone(),
            http_headers: self.http_headers.clone(),
        }
    }

    /// The kinds of discovery that are set and not done yet, by name.
    pub(super) fn others(&self) -> Vec<(&'static str, &Spanned<IgnoredAny>)> {
        [
            ("aws", &self.aws_sd_configs),
            ("azure", &self.azure_sd_configs),
            ("consul", &self.consul_sd_configs),
            ("digitalocean", &self.digitalocean_sd_configs),
            ("dns", &self.dns_sd_configs),
            ("docker", &self.docker_sd_configs),
            ("dockerswarm", &self.dockerswarm_sd_configs),
            ("ec2", &self.ec2_sd_configs),
            ("ecs", &self.ecs_sd_configs),
            ("elasticache", &self.elasticache_sd_configs),
            ("eureka", &self.eureka_sd_configs),
            ("gce", &self.gce_sd_configs),
            ("hetzner", &self.hetzner_sd_configs),
            ("http", &self.http_sd_configs),
            ("ionos", &self.ionos_sd_configs),
            ("kubernetes", &self.kubernetes_sd_configs),
            ("kuma", &self.kuma_sd_configs),
            ("lightsail", &self.lightsail_sd_configs),
            ("linode", &self.linode_sd_configs),
            ("marathon", &self.marathon_sd_configs),
            ("msk", &self.msk_sd_configs),
            ("nerve", &self.nerve_sd_configs),
            ("nomad", &self.nomad_sd_configs),
            ("oci", &self.oci_sd_configs),
            ("openstack", &self.openstack_sd_configs),
            ("outscale", &self.outscale_sd_configs),
            ("ovhcloud", &self.ovhcloud_sd_configs),
            ("puppetdb", &self.puppetdb_sd_configs),
            ("rds", &self.rds_sd_configs),
            ("scaleway", &self.scaleway_sd_configs),
            ("serverset", &self.serverset_sd_configs),
            ("stackit", &self.stackit_sd_configs),
            ("triton", &self.triton_sd_configs),
            ("uyuni", &self.uyuni_sd_configs),
            ("vultr", &self.vultr_sd_configs),
        ]
        .into_iter()
        .filter_map(|(kind, value)| value.as_ref().map(|value| (kind, value)))
        .collect()
    }
}
