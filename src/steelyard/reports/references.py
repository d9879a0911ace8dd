"""The bibliography of the page, under the short citations that the metric catalogue uses."""

REFERENCES: dict[str, str] = {
    "Hardt, Price, Srebro, NeurIPS 2016": (
        "M. Hardt, E. Price, N. Srebro: Equality of Opportunity in Supervised Learning. NeurIPS 2016."
    ),
    "Lopez-Paz, Oquab, ICLR 2017": "D. Lopez-Paz, M. Oquab: Revisiting Classifier Two-Sample Tests. ICLR 2017.",
    "Ramaswamy, Kim, Russakovsky, CVPR 2021": (
        "V. V. Ramaswamy, S. S. Y. Kim, O. Russakovsky: Fair Attribute Classification through Latent Space "
        "De-biasing. CVPR 2021."
    ),
    "Tokas et al., 2024": (
        "B. Tokas, R. Nair, H. Kerner: Making Bias Amplification in Balanced Datasets Directional and Interpretable. "
        "2024. arXiv:2412.11060."
    ),
    "Wang et al., ICCV 2019": (
        "T. Wang, J. Zhao, M. Yatskar, K.-W. Chang, V. Ordonez: Balanced Datasets Are Not Enough: Estimating and "
        "Mitigating Gender Bias in Deep Image Representations. ICCV 2019."
    ),
    "Wang, Russakovsky, ICML 2021": "A. Wang, O. Russakovsky: Directional Bias Amplification. ICML 2021.",
    "Xu et al., ICLR 2020": (
        "Y. Xu, S. Zhao, J. Song, R. Stewart, S. Ermon: A Theory of Usable Information under Computational "
        "Constraints. ICLR 2020."
    ),
    "Zhao et al., EMNLP 2017": (
        "J. Zhao, T. Wang, M. Yatskar, V. Ordonez, K.-W. Chang: Men Also Like Shopping: Reducing Gender Bias "
        "Amplification using Corpus-level Constraints. EMNLP 2017."
    ),
    "Zhao, Andrews, Xiang, ICML 2023": (
        "D. Zhao, J. T. A. Andrews, A. Xiang: Men Also Do Laundry: Multi-Attribute Bias Amplification. ICML 2023."
    ),
}


def reference(citation: str) -> str:
    """The full reference of a short citation; the citation itself where the list does not have it."""
    return REFERENCES.get(citation, citation)
